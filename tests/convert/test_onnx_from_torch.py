"""Torch modules through both exporters: the graph has the declared outside, or a sentence says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
import onnx
import onnxruntime

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.onnx import OnnxFromTorch, ToOnnx
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

TEXT = {name: Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)) for name in ("input_ids", "attention_mask")}
VECTORS = {"x": Shapes(min=(1, 4), opt=(4, 4), max=(16, 4))}
BOTH = pytest.mark.parametrize(("using", "opset"), [("torchscript", 17), ("dynamo", 18)])


class MeanOfWords(torch.nn.Module):
    """Its inner tensor "embedding" has the name of the output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(50, 8)
        self.project = torch.nn.Linear(8, 6)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        hidden = self.embedding(input_ids) * attention_mask.unsqueeze(-1)
        return self.project(hidden.sum(1) / attention_mask.sum(1, keepdim=True))


class Lambda(torch.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.project = torch.nn.Linear(4, 4)

    def forward(self, *tensors: Any) -> Any:
        return self.function(self.project, *tensors)


def words(rows: int, tokens: int) -> dict[str, Any]:
    rng = np.random.default_rng(rows * tokens)
    ids = rng.integers(0, 50, size=(rows, tokens))
    return {"input_ids": ids, "attention_mask": np.ones((rows, tokens), np.int64)}


def vectors(rows: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)}


def outside(path: Path) -> dict[str, list[Any]]:
    graph = onnx.load(path).graph
    return {
        tensor.name: [dim.dim_param or dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.output)
    }


def export(
    function: Any, path: Path, shapes: Any = VECTORS, outputs: tuple[str, ...] = ("y",), **options: Any
) -> Any:
    options = {"using": "torchscript", "opset": 17, **options}
    opset = options.pop("opset")
    example = {name: np.ones(extents.opt, np.float32) for name, extents in shapes.items()}
    return OnnxFromTorch(list(shapes), outputs, shapes, opset, **options).export(
        Lambda(function).eval(), example, path
    )


@BOTH
def test_the_graph_has_the_declared_names_and_varies_where_the_recipe_does(
    tmp_path: Path, using: str, opset: int
) -> None:
    module, path = MeanOfWords().eval(), tmp_path / "model.onnx"

    exported = OnnxFromTorch(list(TEXT), ["embedding"], TEXT, opset, using=using).export(
        module, words(2, 7), path
    )

    assert outside(path) == {
        "input_ids": ["batch", "input_ids_1"],
        "attention_mask": ["batch", "attention_mask_1"],
        "embedding": ["batch", 6],
    }
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows, tokens in ((1, 2), (3, 31), (16, 5)):
        sample = words(rows, tokens)
        expected = module(*(torch.from_numpy(array) for array in sample.values())).detach().numpy()
        np.testing.assert_allclose(session.run(["embedding"], sample)[0], expected, atol=1e-6)
    assert (exported.opset, exported.ir_version) == (opset, 8)
    assert (
        str(exported)
        == {
            "torchscript": "torch.onnx TorchScript exporter, opset 17",
            "dynamo": "torch.onnx dynamo exporter, opset 18",
        }[using]
    )


@BOTH
def test_an_example_of_one_row_does_not_make_one_row_a_constant(
    tmp_path: Path, using: str, opset: int
) -> None:
    path = tmp_path / "model.onnx"
    OnnxFromTorch(list(TEXT), ["embedding"], TEXT, opset, using=using).export(
        MeanOfWords().eval(), words(1, 7), path
    )

    answers = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, words(5, 3))

    assert answers[0].shape == (5, 6)


@BOTH
def test_an_output_that_is_an_input_or_another_output_has_a_name_of_its_own(
    tmp_path: Path, using: str, opset: int
) -> None:
    path, x = tmp_path / "model.onnx", vectors(3)["x"]

    export(
        lambda project, x: (x, project(x).relu(), x), path, outputs=("a", "b", "c"), using=using, opset=opset
    )

    a, b, c = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        ["a", "b", "c"], {"x": x}
    )
    assert (a == x).all() and (c == x).all() and b.min() >= 0


@BOTH
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda project, x: (project(x), x), r"has 2 outputs \(.*\), but config.pbtxt declares 1 \(y\)"),
        (
            lambda project, x: project(x).reshape(4, -1),
            "axis 0 of output y is fixed at 4, but the batch varies.*x.shape or -1",
        ),
        (lambda project, x: project(x).sum(0), "axis 0 of output y is fixed at 4, but the batch varies"),
        (lambda project, x: x.missing, "has no attribute 'missing'"),
    ],
    ids=["undeclared output", "baked-in batch", "reduced batch", "code"],
)
def test_a_graph_that_is_not_the_declared_one_is_refused(
    tmp_path: Path, using: str, opset: int, function: Any, message: str
) -> None:
    with pytest.raises(ConversionError, match=message) as refusal:
        export(function, tmp_path / "model.onnx", using=using, opset=opset)

    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@BOTH
def test_an_input_that_the_model_does_not_use_is_named(tmp_path: Path, using: str, opset: int) -> None:
    shapes = {**VECTORS, "attention_mask": VECTORS["x"]}

    with pytest.raises(
        ConversionError, match="dropped attention_mask, which the model does not use; use it in load"
    ):
        export(lambda project, x, mask: project(x), tmp_path / "model.onnx", shapes, using=using, opset=opset)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda project, x: project(x),
            "axis 1 of input x is fixed at 4, but varies from 2 to 9 in the recipe's shapes",
        ),
        (lambda project, x: x * 2 if x.shape[1] == 4 else x, "axis 1 of input x is fixed at 4"),
    ],
    ids=["layer", "branch"],
)
def test_an_extent_that_dynamo_found_the_module_to_need_is_named(
    tmp_path: Path, function: Any, message: str
) -> None:
    shapes = {"x": Shapes(min=(1, 2), opt=(3, 4), max=(16, 9))}

    with pytest.raises(ConversionError, match=message):
        export(function, tmp_path / "model.onnx", shapes, using="dynamo", opset=18)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (Declared("FLOAT", (-1, 26)), "axis 1 of output y is 4, but config.pbtxt says 26"),
        (Declared("FLOAT", (-1, 4, 1)), "output y has 2 axes, but config.pbtxt declares 3"),
        (Declared("FLOAT16", (-1, 4)), "output y is FLOAT, but config.pbtxt declares FLOAT16"),
    ],
)
def test_a_graph_is_held_to_what_config_pbtxt_says(tmp_path: Path, declared: Declared, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        export(lambda project, x: project(x), tmp_path / "model.onnx", declared={"y": declared})


def test_an_output_axis_that_varies_must_be_declared_so(tmp_path: Path) -> None:
    shapes = {"x": Shapes(min=(1, 2), opt=(4, 5), max=(16, 9))}
    declared = {"y": Declared("FLOAT", (-1, 5))}

    with pytest.raises(
        ConversionError,
        match=r"axis 1 of output y varies with x_1, but config.pbtxt fixes it at 5: declare -1",
    ):
        export(lambda project, x: x * 2, tmp_path / "model.onnx", shapes, declared=declared)


def test_without_a_batch_axis_axes_keep_names_of_their_own(tmp_path: Path) -> None:
    shapes = {name: Shapes(min=(1,), opt=(3,), max=(9,)) for name in ("x", "y")}
    path = tmp_path / "model.onnx"

    export(lambda project, x, y: (x * 2, y * 3), path, shapes, ("a", "b"), batched=False)

    assert outside(path) == {"x": ["x_0"], "y": ["y_0"], "a": ["x_0"], "b": ["y_0"]}


def test_auto_takes_the_other_exporter_where_the_first_cannot(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def unknown_to_torchscript(project: Any, x: Any) -> Any:
        return torch.ops.aten.lift_fresh_copy(project(x))

    exported = export(unknown_to_torchscript, tmp_path / "model.onnx", using="auto")

    assert str(exported) == "torch.onnx dynamo exporter, opset 18"
    assert outside(tmp_path / "model.onnx") == {"x": ["batch", 4], "y": ["batch", 4]}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(
        ConversionError, match=r"'aten::lift_fresh_copy'.* is not supported \(torchscript at opset 17\)$"
    ):
        export(unknown_to_torchscript, tmp_path / "model.onnx", using="auto", highest_opset=17)


def test_a_branch_on_data_is_refused_by_dynamo_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ConversionError, match=r"torch could not export the model: .*dynamo at opset 18"
    ) as refusal:
        export(
            lambda project, x: project(x) if x.sum() > 0 else x,
            tmp_path / "model.onnx",
            using="dynamo",
            opset=18,
        )

    assert "\n" not in str(refusal.value) and "\x1b" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("target", "opset", "ir_version"),
    [("legacy", 11, 6), ("legacy", 12, 7), ("tensorrt", 13, 7), ("tensorrt", 17, 8), ("onnxruntime", 21, 10)],
)
def test_every_opset_of_every_target_gives_the_same_answers(
    tmp_path: Path, target: str, opset: int, ir_version: int
) -> None:
    module, path, sample = MeanOfWords().eval(), tmp_path / "model.onnx", words(5, 3)

    exported = ToOnnx(list(TEXT), ["embedding"], TEXT, target=target, pinned_opset=opset).export(
        module, words(2, 7), path
    )

    assert (exported.opset, exported.ir_version) == (opset, ir_version)
    expected = module(*(torch.from_numpy(array) for array in sample.values())).detach().numpy()
    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, sample)[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_dynamo_below_opset_18_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(
        ConversionError, match="writes opset 18 and up, not 17; pin opset=18 in the recipe, or use"
    ):
        OnnxFromTorch(["x"], ["y"], VECTORS, 17, using="dynamo")


def test_dynamo_asked_for_without_an_opset_takes_the_lowest_that_it_writes(tmp_path: Path) -> None:
    to_onnx = ToOnnx(list(TEXT), ["embedding"], TEXT, using="dynamo")

    exported = to_onnx.export(MeanOfWords().eval(), words(2, 7), tmp_path / "model.onnx")

    assert str(exported) == "torch.onnx dynamo exporter, opset 18"
    with pytest.raises(ConversionError, match="the dynamo exporter writes opset 18 and up, not 17"):
        ToOnnx(list(TEXT), ["embedding"], TEXT, using="dynamo", target="tensorrt").export(
            MeanOfWords().eval(), words(2, 7), tmp_path / "model.onnx"
        )


def test_a_pinned_opset_is_never_left_for_the_other_exporter() -> None:
    attempts = {
        (opset, highest): OnnxFromTorch(["x"], ["y"], VECTORS, opset, highest_opset=highest).attempts
        for opset, highest in ((17, 21), (17, 17), (18, 18), (21, 21))
    }

    assert attempts == {
        (17, 21): (("torchscript", 17), ("dynamo", 18)),
        (17, 17): (("torchscript", 17),),
        (18, 18): (("dynamo", 18), ("torchscript", 18)),
        (21, 21): (("dynamo", 21),),
    }


@BOTH
def test_a_weight_that_is_not_a_number_is_refused_even_where_no_sample_meets_it(
    tmp_path: Path, using: str, opset: int
) -> None:
    module = MeanOfWords().eval()
    with torch.no_grad():
        module.embedding.weight[49, 3] = float("nan")

    with pytest.raises(
        ConversionError, match=r"weight embedding.weight of the source model holds NaN or Inf"
    ):
        OnnxFromTorch(list(TEXT), ["embedding"], TEXT, opset, using=using).export(
            module, words(2, 7), tmp_path / "m"
        )


def test_the_file_tells_nothing_of_the_machine_that_exported_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    OnnxFromTorch(list(TEXT), ["embedding"], TEXT, 18, using="dynamo").export(
        MeanOfWords().eval(), words(2, 7), path
    )

    data = path.read_bytes()

    assert b"stack_trace" not in data and str(Path(__file__).parent).encode() not in data
    assert b"site-packages" not in data
    assert not onnx.load(path).graph.value_info


def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for using, opset in (("torchscript", 17), ("dynamo", 18)):
        for name in ("first", "second"):
            OnnxFromTorch(list(TEXT), ["embedding"], TEXT, opset, using=using).export(
                MeanOfWords().eval(), words(2, 7), tmp_path / name
            )
        assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_source_of_no_known_kind_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(
        ConversionError,
        match=r"load\(\) returned a dict; return a torch.nn.Module, a Keras or TensorFlow model, or the path",
    ):
        ToOnnx(["x"], ["y"], VECTORS).export({}, vectors(2), tmp_path / "model.onnx")


def test_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for using, opset in (("torchscript", 17), ("dynamo", 18)):
        export(lambda project, x: project(x), tmp_path / "model.onnx", using=using, opset=opset)

    assert capfd.readouterr() == ("", "")
