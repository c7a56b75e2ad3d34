"""int8: culprits left out and no others, ranges by calibration, and pairs where each engine wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="conversion needs tritonzoo[convert]")

from onnx import TensorProto, numpy_helper

from tests.convert.graphs import Sample, evaluator, node, operators, save
from tritonzoo.convert.calibrate import Engine, Method, layer_costs, quantize_static
from tritonzoo.convert.parity import Parity
from tritonzoo.convert.quantize import quantize_dynamic
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.recipe import Tolerance

TOLERANCE = Tolerance(cosine=0.999, why="int8 has 8 bits")
ANY = Tolerance(cosine=-0.999, why="whatever comes")
WIDTH = 64


def samples(shape: tuple[int, ...] = (WIDTH,)) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((batch, *shape)).astype(np.float32)} for batch in (1, 4, 16, 8)]


def perceptron(path: Path, wild: str = "") -> Path:
    """Five products with a tanh after each; each column of a `wild` one has a weight 3000 times its others."""
    rng = np.random.default_rng(1)
    weights = {f"w{i}": rng.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8 for i in range(5)}
    if wild:
        # A row of huge weights meets an input that a previous layer keeps at zero: harmless in float32,
        # but it takes every scale of this layer for itself.
        weights[wild][0] = 3000.0
        weights[f"w{int(wild[1:]) - 1}"][:, 0] = 0.0
    nodes, last = [], "x"
    for i in range(5):
        nodes.append(node("MatMul", [last, f"w{i}"], f"product{i}"))
        nodes.append(node("Tanh", [f"product{i}"], "y" if i == 4 else f"tanh{i}"))
        last = f"tanh{i}"
    return save(path, nodes, weights, ["batch", WIDTH], ["batch", WIDTH])


def convolutional(path: Path, wild: str = "") -> Path:
    """Three convolutions with ReLUs, a residual, pooling and a linear layer, on 3 x 16 x 16 images."""
    rng = np.random.default_rng(2)

    def filters(out: int, into: int) -> np.ndarray:
        return rng.standard_normal((out, into, 3, 3)).astype(np.float32) / np.sqrt(9 * into).astype(
            np.float32
        )

    weights = {"c0": filters(8, 3), "c1": filters(8, 8), "c2": filters(8, 8)}
    weights |= {f"b{i}": rng.standard_normal(8).astype(np.float32) / 4 for i in range(3)}
    weights |= {"w": rng.standard_normal((8, 10)).astype(np.float32), "b": np.zeros(10, np.float32)}
    if wild:
        weights[wild][:, 0] = 3000.0
        weights[f"c{int(wild[1:]) - 1}"][0], weights[f"b{int(wild[1:]) - 1}"][0] = 0.0, 0.0
    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [
        node("Conv", ["x", "c0", "b0"], "conv0", **pads),
        node("Relu", ["conv0"], "relu0"),
        node("Conv", ["relu0", "c1", "b1"], "conv1", **pads),
        node("Relu", ["conv1"], "relu1"),
        node("Conv", ["relu1", "c2", "b2"], "conv2", **pads),
        node("Add", ["conv2", "relu0"], "sum"),
        node("GlobalAveragePool", ["sum"], "pooled"),
        node("Flatten", ["pooled"], "flat"),
        node("Gemm", ["flat", "w", "b"], "y"),
    ]
    return save(path, nodes, weights, ["batch", 3, 16, 16], ["batch", 10])


def test_every_product_with_constant_weights_becomes_int8_per_channel(tmp_path: Path) -> None:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    quantized = quantize_dynamic(source, target, samples(), evaluator(source, samples()), TOLERANCE)
    assert quantized.left_out == () and quantized.layers == 5
    assert operators(target).count("MatMulInteger") == 5 and "MatMul" not in operators(target)
    weights = [w for w in onnx.load(target).graph.initializer if w.name.endswith("_quantized")]
    assert [w.data_type for w in weights] == [TensorProto.INT8] * 5
    scales = [w for w in onnx.load(target).graph.initializer if w.name.endswith("_scale")]
    assert [list(s.dims) for s in scales] == [[WIDTH]] * 5


@pytest.mark.parametrize("wild", ["w1", "w3"])
def test_the_one_layer_with_wild_weights_is_left_out(tmp_path: Path, wild: str) -> None:
    source, target = perceptron(tmp_path / "model.onnx", wild), tmp_path / "model.int8.onnx"
    compare = evaluator(source, samples())
    with pytest.raises(ParityError, match="least cosine"):
        quantize_dynamic(source, target, samples(), compare, ANY).parity.judge(TOLERANCE)
    quantized = quantize_dynamic(source, target, samples(), compare, TOLERANCE)
    assert [layer.name for layer in quantized.left_out] == [f"product{wild[1:]}"]
    compare(target).judge(TOLERANCE)
    assert operators(target).count("MatMulInteger") == 4 and operators(target).count("MatMul") == 1


def test_a_layer_whose_answers_differ_from_run_to_run_is_left_out(tmp_path: Path) -> None:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    honest, trials, steps = evaluator(source, samples()), 0, []

    def compare(path: Path) -> Parity:
        """As on a processor whose kernel for one layer is right every other time."""
        nonlocal trials
        if any(weight.name == "w2_quantized" for weight in onnx.load(path).graph.initializer):
            trials += 1
            if trials % 2 == 0:
                return wrong
        return honest(path)

    other = perceptron(tmp_path / "other.onnx", "w2")
    wrong = evaluator(source, samples())(other)
    with pytest.raises(ParityError):
        wrong.judge(TOLERANCE)
    quantized = quantize_dynamic(source, target, samples(), compare, TOLERANCE, steps.append)
    assert [layer.name for layer in quantized.left_out] == ["product2"]
    assert any("differ from run to run" in step for step in steps)
    for _ in range(3):
        compare(target).judge(TOLERANCE)


def test_weights_of_seven_bits_on_request(tmp_path: Path) -> None:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    for reduced, largest in ((True, 64), (False, 127)):
        quantize_dynamic(
            source, target, samples(), evaluator(source, samples()), ANY, reduced_range=reduced
        )  # fmt: skip
        values = [
            numpy_helper.to_array(w)
            for w in onnx.load(target).graph.initializer
            if w.data_type == TensorProto.INT8
        ]
        assert max(int(np.abs(v.astype(np.int16)).max()) for v in values if v.size > WIDTH) == largest


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_for_tensorrt_every_input_of_a_convolution_comes_from_a_symmetric_pair(
    tmp_path: Path, method: Method
) -> None:
    source, target = convolutional(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    images = samples((3, 16, 16))
    quantized = quantize_static(
        source, target, images, method, evaluator(source, images), Tolerance(cosine=0.99, why="8 bits")
    )
    assert quantized.left_out == () and quantized.layers == 4
    graph = onnx.load(target).graph
    makers = {output: each for each in graph.node for output in each.output}
    takers = {name: each for each in graph.node for name in each.input}
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    for layer in (each for each in graph.node if each.op_type in ("Conv", "Gemm")):
        activation, weight = (makers[name] for name in layer.input[:2])
        assert activation.op_type == weight.op_type == "DequantizeLinear"
        assert makers[activation.input[0]].op_type == "QuantizeLinear"
        assert weights[weight.input[0]].dtype == np.int8
        assert weights[weight.input[1]].shape == (10 if layer.op_type == "Gemm" else 8,)  # a scale a channel
        assert layer.input[2] in weights and weights[layer.input[2]].dtype == np.float32
    for pair in (each for each in graph.node if each.op_type in ("QuantizeLinear", "DequantizeLinear")):
        assert not weights[pair.input[2]].any() and weights[pair.input[2]].dtype == np.int8
    assert [takers[name].op_type for name in ("conv0", "conv1")] == ["Relu", "Relu"]  # one kernel there


def test_calibration_methods_choose_ranges_of_their_own(tmp_path: Path) -> None:
    source, images = convolutional(tmp_path / "model.onnx"), samples((3, 16, 16))
    images[0]["x"][0, 0, 0, 0] = 40.0  # one outlier, which min-max alone follows
    scales = {}
    for method in ("minmax", "entropy", "percentile"):
        target = tmp_path / f"{method}.onnx"
        quantize_static(source, target, images, method, evaluator(source, images), ANY)
        weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(target).graph.initializer}
        scales[method] = float(weights["x_scale"])
    assert scales["minmax"] == pytest.approx(40 / 127, rel=1e-3)
    assert scales["percentile"] < scales["minmax"] / 4
    assert scales["entropy"] < scales["minmax"] / 4
    assert scales["entropy"] != scales["percentile"]


@pytest.mark.parametrize(
    ("engine", "culprits"),
    # ONNX Runtime itself quantizes a convolution that stands between a DequantizeLinear and a QuantizeLinear,
    # so there the one that would put the QuantizeLinear behind it has to go too.
    [("tensorrt", {"conv1"}), ("onnxruntime", {"conv1", "conv2"})],
)
def test_just_the_convolution_with_wild_weights_is_left_out(
    tmp_path: Path, engine: Engine, culprits: set[str]
) -> None:
    source, target = convolutional(tmp_path / "model.onnx", "c1"), tmp_path / "model.int8.onnx"
    images, tolerance = samples((3, 16, 16)), Tolerance(cosine=0.99, why="8 bits")
    compare = evaluator(source, images)
    with pytest.raises(ParityError, match="least cosine"):
        quantize_static(source, target, images, "minmax", compare, ANY, engine=engine).parity.judge(tolerance)
    quantized = quantize_static(source, target, images, "minmax", compare, tolerance, engine=engine)
    assert {layer.name for layer in quantized.left_out} == culprits
    compare(target).judge(tolerance)


def test_the_convolution_with_wild_weights_costs_most_and_nothing_is_written(tmp_path: Path) -> None:
    source = convolutional(tmp_path / "model.onnx", "c1")
    cost = layer_costs(source, samples((3, 16, 16)), "minmax", engine="tensorrt")
    assert len(cost) == 4
    assert max(cost, key=lambda name: cost[name]) == "conv1"
    assert cost["conv1"] > 10 * cost["conv2"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_for_onnxruntime_the_convolutions_run_in_int8(tmp_path: Path) -> None:
    import onnxruntime

    source, target = convolutional(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    images = samples((3, 16, 16))
    quantize_static(
        source,
        target,
        images,
        "minmax",
        evaluator(source, images),
        Tolerance(cosine=0.99, why="8 bits"),
        engine="onnxruntime",
    )
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    run = operators(tmp_path / "run.onnx")
    assert run.count("QLinearConv") == 3 and "Conv" not in run


def test_where_no_layer_can_be_int8_the_previous_artifact_stays(tmp_path: Path) -> None:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    target.write_bytes(b"previous")
    with pytest.raises(ParityError, match="no layer can be int8 within the tolerance"):
        quantize_dynamic(
            source, target, samples(), evaluator(source, samples()), Tolerance(atol=1e-9, why="exact")
        )
    assert target.read_bytes() == b"previous"
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.int8.onnx"}


def test_a_graph_without_weighted_layers_is_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "model.onnx", [node("Tanh", ["x"], "y")], {}, ["batch", WIDTH], ["batch", WIDTH])
    with pytest.raises(ConversionError, match="no layer with constant weights"):
        quantize_dynamic(
            source, tmp_path / "model.int8.onnx", samples(), evaluator(source, samples()), TOLERANCE
        )


def test_a_graph_too_old_for_a_scale_per_channel_is_refused(tmp_path: Path) -> None:
    source, images = convolutional(tmp_path / "model.onnx"), samples((3, 16, 16))
    compare = evaluator(source, images)
    model = onnx.load(source)
    model.opset_import[0].version = 12
    onnx.save(model, source)
    with pytest.raises(ConversionError, match="of opset 12; static int8 needs 13 or later"):
        quantize_static(source, tmp_path / "model.int8.onnx", images, "minmax", compare, ANY)


def test_nan_in_a_weight_is_refused(tmp_path: Path) -> None:
    source = perceptron(tmp_path / "model.onnx")
    compare = evaluator(source, samples())
    model = onnx.load(source)
    weight = numpy_helper.to_array(model.graph.initializer[3]).copy()
    weight[5, 5] = np.nan
    model.graph.initializer[3].CopyFrom(numpy_helper.from_array(weight, "w3"))
    onnx.save(model, source)
    with pytest.raises(ConversionError, match=r"weight w3 of model.onnx holds NaN"):
        quantize_dynamic(source, tmp_path / "model.int8.onnx", samples(), compare, TOLERANCE)
