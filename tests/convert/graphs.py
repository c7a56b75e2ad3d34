"""Small ONNX graphs for the conversion tests, made of one node list each, and what compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tritonzoo.convert.parity import Parity, Reference, run_onnx

Sample = dict[str, NDArray[np.float32]]


def node(op_type: str, inputs: Sequence[str], output: str, **attributes: object) -> NodeProto:
    return helper.make_node(op_type, inputs, [output], name=output, **attributes)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    weights: Mapping[str, NDArray[np.generic]],
    shape: Sequence[int | str],
    output_shape: Sequence[int | str] | None = None,
) -> Path:
    """One float input "x" and one float output "y"."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def evaluator(source: Path, samples: Sequence[Sample]) -> Callable[[Path], Parity]:
    """Compares an ONNX file with the float32 graph it was made from."""
    reference = Reference.of(run_onnx(source, ["x"], ["y"]), samples)
    return lambda path: reference.compare(run_onnx(path, ["x"], ["y"]))


def operators(path: Path) -> list[str]:
    return [each.op_type for each in onnx.load(path).graph.node]


def answers(path: Path, sample: Sample) -> NDArray[np.float32]:
    return run_onnx(path, ["x"], ["y"])(sample)["y"]
