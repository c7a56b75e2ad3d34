"""The outside of an ONNX file, read by its wire format, is what the onnx package reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from tests.unit.check_tree import graph
from tests.unit.onnx_graphs import attention, doubling
from tritonzoo.check.onnx_header import GraphHeader, GraphTensor, UnreadableGraph, read_header

ROOT = Path(__file__).parents[2]
SMALL_GRAPHS = [  # the onnx package takes seconds for a large one
    path for path in sorted(ROOT.glob("model_repository/*/1/*.onnx")) if path.stat().st_size < 20_000_000
]


def header(tmp_path: Path, model: Any) -> GraphHeader:
    onnx.save_model(model, tmp_path / "model.onnx")
    found = read_header(tmp_path / "model.onnx")
    assert isinstance(found, GraphHeader)
    return found


def test_inputs_and_outputs_have_types_and_extents(tmp_path: Path) -> None:
    found = header(tmp_path, attention())

    assert found.inputs == {
        "input_ids": GraphTensor("TYPE_INT64", ("batch", "tokens")),
        "attention_mask": GraphTensor("TYPE_INT64", ("batch", "tokens")),
    }
    assert found.outputs["states"] == GraphTensor("TYPE_FP32", ("batch", "tokens", 16))


def test_opset_and_format_are_told(tmp_path: Path) -> None:
    found = header(tmp_path, graph(opset=21, ir_version=10, domain="com.example"))

    assert (found.opsets[""], found.ir_version) == (21, 10)
    assert found.domains == {"", "com.example"}


def test_an_input_with_a_constant_is_none_that_must_be_fed(tmp_path: Path) -> None:
    model = graph()
    model.graph.input.append(helper.make_tensor_value_info("last", TensorProto.INT64, [1]))

    assert "last" not in header(tmp_path, model).inputs


def test_a_tensor_without_a_shape_has_no_rank(tmp_path: Path) -> None:
    model = doubling()
    model.graph.output[0].type.tensor_type.ClearField("shape")

    assert header(tmp_path, model).outputs["y"].extents is None


def test_files_of_weights_are_named(tmp_path: Path) -> None:
    model = graph()
    onnx.external_data_helper.convert_model_to_external_data(model, location="far.data", size_threshold=0)

    assert header(tmp_path, model).external_files == {"far.data": 8}


def test_operators_that_the_file_defines_itself_are_not_foreign(tmp_path: Path) -> None:
    model = graph(domain="com.example")
    model.functions.append(
        helper.make_function(
            "com.example",
            "ReduceSum",
            ["a", "b"],
            ["c"],
            [helper.make_node("Add", ["a", "b"], ["c"])],
            [helper.make_opsetid("", 17)],
        )
    )

    assert header(tmp_path, model).domains == {""}


@pytest.mark.parametrize("kept_bytes", [0, 1, 40, 200, -1])
def test_a_part_of_a_file_is_told(tmp_path: Path, kept_bytes: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph().SerializeToString()[:kept_bytes])

    found = read_header(path)

    assert isinstance(found, UnreadableGraph), found


def test_a_part_of_a_file_tells_where_it_ends_and_where_it_would(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    whole = graph().SerializeToString()
    path.write_bytes(whole[:-1])

    message = f"it ends at byte {len(whole) - 1}, inside a field that goes to {len(whole)}"
    assert read_header(path) == UnreadableGraph(f"is only a part of an ONNX model: {message}")


@pytest.mark.parametrize("content", [b"<html>", b"PK\x03\x04" * 9, bytes(64), b"\xff" * 64])
def test_another_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    assert isinstance(read_header(path), UnreadableGraph)


@pytest.mark.parametrize("path", SMALL_GRAPHS, ids=lambda path: "/".join(path.parts[-3:]))
def test_the_trees_own_graphs_are_read_alike(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    found = read_header(path)

    assert isinstance(found, GraphHeader)
    constants = {tensor.name for tensor in model.graph.initializer}
    assert list(found.inputs) == [tensor.name for tensor in model.graph.input if tensor.name not in constants]
    assert list(found.outputs) == [tensor.name for tensor in model.graph.output]
    assert found.opsets == {opset.domain: opset.version for opset in model.opset_import}
    assert found.domains >= {node.domain for node in model.graph.node} - {f.domain for f in model.functions}
