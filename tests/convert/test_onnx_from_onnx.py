"""ONNX files from elsewhere: verified, renamed, upgraded; what cannot be served is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="conversion needs tritonzoo[convert]")
from onnx import TensorProto, helper, numpy_helper

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.onnx import OnnxFile, OnnxFromOnnx, ToOnnx, reference_run
from tritonzoo.convert.opset import OPSETS, ir_version_of, opset_for
from tritonzoo.convert.parity import Reference, run_onnx
from tritonzoo.errors import ConversionError, RecipeError
from tritonzoo.recipe import Shapes

SHAPES = {name: Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)) for name in ("input_ids", "attention_mask")}
NAMES = {"input.1": "input_ids", "mask": "attention_mask", "308": "embedding", "309": "count"}


def foreign(
    path: Path, opset: int = 12, ir: int = 6, weight: float = 1.0, dims: tuple[Any, ...] = ("N", "T")
) -> Path:
    """Sum of the masked words' vectors and their count, with an exporter's accidental names, in another order.

    Softmax over axis 1 of three axes means something else before opset 13, so an upgrade has work to do. The
    inner tensor "embedding" has the name that an output is to get.
    """
    table = np.random.default_rng(0).standard_normal((50, 6), dtype=np.float32) * weight
    nodes = [
        helper.make_node("Gather", ["table", "input.1"], ["embedding"]),
        helper.make_node("Cast", ["mask"], ["mask_f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask_f"], ["mask_3"], axes=[2])
        if opset < 13
        else helper.make_node("Unsqueeze", ["mask_f", "two"], ["mask_3"]),
        helper.make_node("Mul", ["embedding", "mask_3"], ["kept"]),
        helper.make_node("Softmax", ["kept"], ["soft"], axis=2),
        helper.make_node("ReduceMean", ["soft"], ["308"], axes=[1], keepdims=0)
        if opset < 18
        else helper.make_node("ReduceMean", ["soft", "one"], ["308"], keepdims=0),
        helper.make_node("ReduceMean", ["mask_f"], ["309"], axes=[1], keepdims=1)
        if opset < 18
        else helper.make_node("ReduceMean", ["mask_f", "one"], ["309"], keepdims=1),
    ]
    constants = [numpy_helper.from_array(table, "table")]
    constants += [
        numpy_helper.from_array(np.array([value]), name) for name, value in (("one", 1), ("two", 2))
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(name, TensorProto.INT64, dims) for name in ("mask", "input.1")],
        [
            helper.make_tensor_value_info("309", TensorProto.FLOAT, [dims[0], 1]),
            helper.make_tensor_value_info("308", TensorProto.FLOAT, [dims[0], 6]),
        ],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="elsewhere"
    )
    model.ir_version = ir
    onnx.save(model, path)
    return path


def samples() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"input_ids": rng.integers(0, 50, shape), "attention_mask": rng.integers(0, 2, shape)}
        for shape in ((2, 7), (1, 2), (5, 31))
    ]


@pytest.mark.parametrize(
    ("opset", "ir", "served_at"), [(11, 6, 17), (12, 7, 17), (17, 8, 17), (18, 10, 18), (21, 10, 21)]
)
def test_a_file_is_renamed_upgraded_and_answers_as_before(
    tmp_path: Path, opset: int, ir: int, served_at: int
) -> None:
    source, path = OnnxFile(foreign(tmp_path / "net.onnx", opset, ir), NAMES), tmp_path / "model.onnx"
    inputs, outputs = list(SHAPES), ["embedding", "count"]

    exported = ToOnnx(inputs, outputs, SHAPES).export(source, {}, path)

    graph = onnx.load(path).graph
    assert [tensor.name for tensor in graph.input] == inputs
    assert [tensor.name for tensor in graph.output] == outputs
    assert [dim.dim_param or dim.dim_value for dim in graph.output[0].type.tensor_type.shape.dim] == [
        "batch",
        6,
    ]
    upgraded = f", upgraded from opset {opset}" if opset < served_at else ""
    assert str(exported) == f"existing ONNX file (elsewhere{upgraded}), opset {served_at}"
    assert exported.ir_version == onnx.load(path).ir_version == ir_version_of(served_at)
    reference = Reference.of(reference_run(source, inputs, outputs), samples())
    errors = reference.compare(run_onnx(path, inputs, outputs)).errors
    assert max(error.max_abs for error in errors.values()) < 1e-6


def test_the_only_input_and_output_need_no_names(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["in"], ["out"])],
        "relu",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "relu.onnx",
    )
    shapes = {"x": Shapes(min=(1, 4), opt=(4, 4), max=(16, 4))}

    ToOnnx(["x"], ["y"], shapes).export(tmp_path / "relu.onnx", {}, tmp_path / "model.onnx")

    x = np.array([[-1, 0, 2, 3]], np.float32)
    assert run_onnx(tmp_path / "model.onnx", ["x"], ["y"])({"x": x})["y"].tolist() == [[0, 0, 2, 3]]


def halving(path: Path, scale: float) -> OnnxFile:
    """A file that doubles, edited to scale by so much first; its source model doubles the half."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["in", "in"], ["out"])],
        "double",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)

    def edit(model):
        model.graph.node.insert(0, helper.make_node("Mul", ["in", "scale"], ["scaled"]))
        model.graph.node[1].input[:] = ["scaled", "scaled"]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(scale), "scale"))
        return model

    return OnnxFile(path, {"in": "x", "out": "y"}, edit, lambda sample: {"y": 2 * (sample["x"] / 2)})


@pytest.mark.parametrize(("scale", "error"), [(0.5, 0.0), (0.25, 0.5)])
def test_an_edited_graph_is_held_to_what_the_source_model_answers(
    tmp_path: Path, scale: float, error: float
) -> None:
    source = halving(tmp_path / "double.onnx", scale)
    ToOnnx(["x"], ["y"], {"x": Shapes(min=(1, 4), opt=(4, 4), max=(16, 4))}).export(
        source, {}, tmp_path / "model.onnx"
    )

    reference = Reference.of(reference_run(source, ["x"], ["y"]), [{"x": np.ones((1, 4), np.float32)}])

    assert reference.compare(run_onnx(tmp_path / "model.onnx", ["x"], ["y"])).errors["y"].max_abs == error


def repeating(*versions: int) -> Callable[[Any], Any]:
    """An edit that leaves what `onnx.compose` leaves of several graphs: the domain once for each."""

    def edit(model: Any) -> Any:
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid("", version) for version in versions)
        return model

    return edit


def test_a_domain_that_is_listed_for_every_joined_graph_is_listed_once(tmp_path: Path) -> None:
    path = foreign(tmp_path / "net.onnx", opset=17, ir=8)
    source = OnnxFile(path, NAMES, repeating(17, 17, 17), lambda sample: sample)
    OnnxFromOnnx(["input_ids", "attention_mask"], ["embedding", "count"], SHAPES, 17).export(
        source, {}, tmp_path / "model.onnx"
    )
    assert [(one.domain, one.version) for one in onnx.load(tmp_path / "model.onnx").opset_import] == [
        ("", 17)
    ]


def test_graphs_of_two_opsets_cannot_be_joined(tmp_path: Path) -> None:
    path = foreign(tmp_path / "net.onnx", opset=17, ir=8)
    source = OnnxFile(path, NAMES, repeating(17, 18), lambda sample: sample)
    with pytest.raises(ConversionError, match=r"of the opsets 17 and 18 of ai.onnx at once; write the parts"):
        OnnxFromOnnx(["input_ids", "attention_mask"], ["embedding", "count"], SHAPES, 17).export(
            source, {}, tmp_path / "model.onnx"
        )


def test_an_edited_graph_without_a_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="give edit and reference together"):
        OnnxFile(tmp_path / "net.onnx", edit=lambda model: model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"names": {}},
            "net.onnx has the inputs mask, input.1, but config.pbtxt declares input_ids, attention_mask; tell which is which: OnnxFile",
        ),
        ({"weight": float("nan")}, "weight table of the source model holds NaN"),
        (
            {"dims": (3, "T")},
            "axis 0 of input input_ids is fixed at 3, but varies from 1 to 16 in the recipe's shapes",
        ),
        (
            {"fixed": True},
            "axis 1 of input input_ids varies, but the recipe's shapes fix it at 8: give it a range there",
        ),
        (
            {"declared": {"embedding": Declared("FLOAT", (-1, 384))}},
            "axis 1 of output embedding is 6, but config.pbtxt says 384",
        ),
        (
            {"opset": 21, "highest": 17},
            "net.onnx is of opset 21, and no higher than 17 is read where it is served; export it anew at opset 17 to 17",
        ),
        ({"cut": True}, "net.onnx is not a whole ONNX file"),
        ({"absent": True}, "net.onnx is not a whole ONNX file .*No such file"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_file_that_cannot_be_served_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path, target = tmp_path / "net.onnx", tmp_path / "model.onnx"
    foreign(
        path,
        opset=change.get("opset", 17),
        ir=8,
        weight=change.get("weight", 1.0),
        dims=change.get("dims", ("N", "T")),
    )
    if "cut" in change:
        path.write_bytes(path.read_bytes()[:-100])
    if "absent" in change:
        path.unlink()
    shapes = (
        {name: Shapes(min=(1, 8), opt=(4, 8), max=(16, 8)) for name in SHAPES}
        if "fixed" in change
        else SHAPES
    )
    exporter = OnnxFromOnnx(
        list(SHAPES), ["embedding", "count"], shapes, 17,
        highest_opset=change.get("highest", 21), declared=change.get("declared", {}),
    )  # fmt: skip

    with pytest.raises(ConversionError, match=message):
        exporter.export(OnnxFile(path, change.get("names", NAMES)), {}, target)

    assert not target.exists()


def test_each_target_has_its_opset_and_a_pinned_one_must_be_readable_there() -> None:
    assert {target: opset_for(target) for target in OPSETS} == {
        "onnxruntime": 17,
        "tensorrt": 17,
        "legacy": 12,
    }
    assert [opset_for("tensorrt", 13), opset_for("onnxruntime", 21), opset_for("legacy", 11)] == [13, 21, 11]
    assert [ir_version_of(opset) for opset in (11, 12, 17, 21)] == [6, 7, 8, 10]
    for target, pinned, message in (
        (
            "onnxruntime",
            22,
            r"opset 22 is not for onnxruntime, which takes 17 to 21 \(.*refuses 22\); pin another",
        ),
        ("onnxruntime", 16, "takes 17 to 21"),
        ("tensorrt", 18, "takes 13 to 17"),
        ("legacy", 13, "takes 11 to 12"),
        ("tensorflow", None, "no target 'tensorflow'; there are: onnxruntime, tensorrt, legacy"),
    ):
        with pytest.raises(RecipeError, match=message):
            opset_for(target, pinned)
