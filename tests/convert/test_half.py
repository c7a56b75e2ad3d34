"""float16 with the culprits alone put back to float32, measured where overflow can be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="conversion needs tritonzoo[convert]")

from tests.convert.graphs import Sample, answers, evaluator, node, save
from tritonzoo.convert.half import Mixed, half
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.recipe import Tolerance

TOLERANCE = Tolerance(atol=0.02, why="float16 has 11 bits")
WIDTH = 8


def samples(seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.uniform(0.5, 1, (batch, WIDTH)).astype(np.float32)} for batch in (1, 2, 5, 3)]


def orthogonal(seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((WIDTH, WIDTH)))[0].astype(np.float32)


def network(path: Path, factor: float) -> Path:
    """Three layers; between the first and the second the numbers grow by `factor` squared, and shrink again."""
    nodes = [
        node("MatMul", ["x", "w1"], "first"),
        node("Tanh", ["first"], "first_tanh"),
        node("Mul", ["first_tanh", "grow"], "large"),
        node("Mul", ["large", "grow"], "larger"),
        node("Mul", ["larger", "shrink"], "smaller"),
        node("Mul", ["smaller", "shrink"], "small"),
        node("MatMul", ["small", "w2"], "second"),
        node("Tanh", ["second"], "y"),
    ]
    weights = {
        "w1": orthogonal(1),
        "w2": orthogonal(2),
        "grow": np.float32(factor),
        "shrink": np.float32(1 / factor),
    }
    return save(path, nodes, weights, ["batch", WIDTH], ["batch", WIDTH])


def convert(source: Path, target: Path, tolerance: Tolerance = TOLERANCE) -> Mixed:
    return half(source, target, samples(), evaluator(source, samples()), tolerance)


def test_a_graph_that_float16_can_hold_is_float16_throughout(tmp_path: Path) -> None:
    source, target = network(tmp_path / "model.onnx", 4.0), tmp_path / "model.fp16.onnx"
    mixed = convert(source, target)
    assert mixed.kept == ()
    graph = onnx.load(target).graph
    assert {w.data_type for w in graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert [t.type.tensor_type.elem_type for t in (*graph.input, *graph.output)] == [
        onnx.TensorProto.FLOAT
    ] * 2
    assert 0 < mixed.parity.errors["y"].max_abs < TOLERANCE.atol


def test_just_the_layers_between_which_numbers_overflow_stay_float32(tmp_path: Path) -> None:
    source, target = network(tmp_path / "model.onnx", 500.0), tmp_path / "model.fp16.onnx"
    mixed = convert(source, target)
    assert {layer.name for layer in mixed.kept} == {"larger", "smaller"}  # 250 000 passes between them
    assert np.allclose(answers(target, samples()[0]), answers(source, samples()[0]), atol=TOLERANCE.atol)


@pytest.mark.parametrize("missing", ["larger", "smaller"])
def test_with_one_culprit_less_the_answers_are_inf_or_nan(
    tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = network(tmp_path / "model.onnx", 500.0)
    others = frozenset({"larger", "smaller"} - {missing})
    monkeypatch.setattr("tritonzoo.convert.half.smallest_set", lambda ranked, holds, on_step: others)
    with pytest.raises(ParityError, match=r"NaN or Inf|differs"):
        convert(source, tmp_path / "model.fp16.onnx")


def test_an_overflow_that_the_cpu_kernels_would_hide_is_seen(tmp_path: Path) -> None:
    """ONNX Runtime runs a float16 graph in float32 on a CPU: measured there, this one would pass."""
    from tritonzoo.convert.half import converted, prepared

    source = network(tmp_path / "model.onnx", 500.0)
    everything = converted(prepared(onnx.load(source)), frozenset())
    onnx.save(everything, tmp_path / "naive.onnx")
    naive = answers(tmp_path / "naive.onnx", samples()[0])
    assert np.allclose(naive, answers(source, samples()[0]), atol=TOLERANCE.atol)
    assert convert(source, tmp_path / "model.fp16.onnx").kept


def test_what_cancels_is_put_back_with_what_feeds_it(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w1"], "first"),
        node("Add", ["first", "offset"], "shifted"),  # 2048 + x: float16 is left with steps of 2
        node("Sub", ["shifted", "offset"], "back"),
        node("MatMul", ["back", "w2"], "y"),
    ]
    weights = {"w1": orthogonal(1), "w2": orthogonal(2), "offset": np.float32(2048)}
    source = save(tmp_path / "model.onnx", nodes, weights, ["batch", WIDTH], ["batch", WIDTH])
    assert {layer.name for layer in convert(source, tmp_path / "model.fp16.onnx").kept} == {"shifted", "back"}


def test_a_tolerance_that_no_float16_meets_leaves_the_previous_artifact(tmp_path: Path) -> None:
    source, target = network(tmp_path / "model.onnx", 4.0), tmp_path / "model.fp16.onnx"
    target.write_bytes(b"previous")
    with pytest.raises(ParityError):
        convert(source, target, Tolerance(atol=0.0, why="exact"))
    assert target.read_bytes() == b"previous"
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.fp16.onnx"}


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (np.inf, "Inf"), (-np.inf, "Inf")])
def test_a_weight_that_is_no_number_is_named(tmp_path: Path, value: float, said: str) -> None:
    source = network(tmp_path / "model.onnx", 4.0)
    model = onnx.load(source)
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight[2, 3] = value
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w1"))
    onnx.save(model, source)
    reference = evaluator(network(tmp_path / "sound.onnx", 4.0), samples())
    with pytest.raises(ConversionError, match=f"weight w1 of model.onnx holds {said}.*pull them anew"):
        half(source, tmp_path / "model.fp16.onnx", samples(), reference, TOLERANCE)
    assert not (tmp_path / "model.fp16.onnx").exists()


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    source, target = network(tmp_path / "model.onnx", 4.0), tmp_path / "model.fp16.onnx"

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half(source, target, samples(), interrupted, TOLERANCE)  # type: ignore[arg-type]  # never returns
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
