"""Read, search and write ONNX files: nodes by the tensors they make and take, constants as arrays.

Writing is by rename of a whole file, and a graph that holds NaN or a stray Inf is never read as sound.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from onnx import ModelProto, NodeProto, TensorProto

_MASK_VALUES = (0.0, 1.0)  # what an attention mask may hold beside -Inf


class Graph:
    """An index over one model's main graph; built anew after every change of the graph."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import numpy_helper

        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.producer: dict[str, NodeProto] = {}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        self.outputs = {tensor.name for tensor in model.graph.output}
        self._constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in self.nodes:
            self.producer |= {name: node for name in node.output if name}
            for name in dict.fromkeys(node.input):
                self.consumers[name].append(node)
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = node.attribute[0].t
        self._to_array = numpy_helper.to_array

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """The value of a tensor that is the same at every call; None for one that is computed."""
        tensor = self._constants.get(name)
        return None if tensor is None else np.asarray(self._to_array(tensor))

    def scalar(self, name: str) -> float | None:
        """The value of a constant with one element; None for any other tensor."""
        value = self.constant(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def made_by(self, name: str, *op_types: str) -> NodeProto | None:
        """The node that computes `name`, if it is one of `op_types`."""
        node = self.producer.get(name)
        return node if node is not None and node.op_type in op_types else None

    def only_consumer(self, name: str, *op_types: str) -> NodeProto | None:
        """The node that takes `name`, if it is one of `op_types` and others take no more than its shape."""
        takers = [node for node in self.consumers.get(name, []) if node.op_type != "Shape"]
        if name in self.outputs or len(takers) != 1 or takers[0].op_type not in op_types:
            return None
        return takers[0]


def attribute(node: NodeProto, name: str) -> Any:
    """The value of one attribute of a node; None when it is not set."""
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def read_sound(path: Path) -> ModelProto:
    """Load an ONNX file and refuse it if a weight is NaN or Inf.

    -Inf is what masks are made of, so constants that hold nothing but 0, 1 and -Inf pass.

    Raises:
        ConversionError: the file cannot be read, or a weight is not a number.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except (OSError, DecodeError) as error:
        raise ConversionError(
            f"{path.name} cannot be read as ONNX ({error}); convert the model anew"
        ) from error
    for name, value in _floats(model):
        if np.isnan(value).any():
            raise ConversionError(
                f"weight {name} of {path.name} holds NaN; the source weights are damaged, pull them anew"
            )
        if not np.isfinite(value).all() and not np.isin(value[~np.isneginf(value)], _MASK_VALUES).all():
            raise ConversionError(
                f"weight {name} of {path.name} holds Inf; the source weights are damaged, pull them anew"
            )
    return model


def write(model: ModelProto, target: Path) -> None:
    """Write `model` beside `target`, then rename: an interrupted write leaves the previous file whole."""
    import onnx

    staged = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        onnx.save(model, staged)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


def open_session(model: ModelProto, *, optimized: bool = True) -> Any:
    """An ONNX Runtime session on the CPU; without optimisation every inner tensor is there to be seen."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def name_nodes(model: ModelProto) -> None:
    """Give every node a name of its own."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}_{number}"
        taken.add(node.name)


def constants_to_initializers(model: ModelProto) -> None:
    """Move the values of Constant nodes to the initializers, where every weight is."""
    constants = [
        node for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"
    ]
    for node in constants:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)


def skip_identities(model: ModelProto) -> None:
    """Let nodes take what an Identity passes on: exporters put one before a weight that layers share."""
    outputs = {tensor.name for tensor in model.graph.output}
    passed: dict[str, str] = {}
    for node in list(model.graph.node):
        for index, name in enumerate(node.input):
            node.input[index] = passed.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            passed[node.output[0]] = node.input[0]
            model.graph.node.remove(node)


def join_casts(model: ModelProto) -> None:
    """Let what takes a float32 -> float16 -> float32 detour take the float32 tensor itself, then prune."""
    from onnx import TensorProto

    graph = Graph(model)

    def cast_of(name: str, kind: int) -> str | None:
        cast = graph.made_by(name, "Cast")
        return cast.input[0] if cast is not None and attribute(cast, "to") == kind else None

    direct: dict[str, str] = {}
    for node in graph.nodes:
        narrow = cast_of(node.output[0], TensorProto.FLOAT) if node.op_type == "Cast" else None
        wide = cast_of(narrow, TensorProto.FLOAT16) if narrow else None
        if wide and node.output[0] not in graph.outputs:
            direct[node.output[0]] = wide
    for node in graph.nodes:
        for index, name in enumerate(node.input):
            node.input[index] = direct.get(name, name)
    prune(model)


def prune(model: ModelProto) -> None:
    """Remove nodes and weights that no output depends on; put the rest in an order that can be run."""
    graph = Graph(model)
    ordered: list[NodeProto] = []
    done: set[int] = set()
    stack: list[tuple[NodeProto, bool]] = [
        (graph.producer[tensor.name], False)
        for tensor in reversed(model.graph.output)
        if tensor.name in graph.producer
    ]
    while stack:
        node, inputs_done = stack.pop()
        if id(node) in done:
            continue
        if inputs_done:
            done.add(id(node))
            ordered.append(node)
            continue
        stack.append((node, True))
        stack.extend(
            (graph.producer[name], False) for name in reversed(taken_by(node)) if name in graph.producer
        )
    used = {name for node in ordered for name in taken_by(node)} | graph.outputs
    weights = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(ordered)
    model.graph.initializer.extend(weights)


def taken_by(node: NodeProto) -> list[str]:
    """The tensors that a node reads, those that only its branches or loop bodies read included."""
    names = list(node.input)
    for inner in node.attribute:
        for body in (inner.g, *inner.graphs):
            names += [name for inside in body.node for name in taken_by(inside)]
    return names


@contextlib.contextmanager
def quiet(name: str) -> Iterator[None]:
    """Hold back what a library logs and prints of each thing it tries; the result says what came of it."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def forget_shapes(model: ModelProto) -> None:
    """Drop the shapes and types that an exporter noted for inner tensors: any change makes them lies."""
    del model.graph.value_info[:]


def _floats(model: ModelProto) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    from onnx import TensorProto, numpy_helper

    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    tensors = [(tensor.name, tensor) for tensor in model.graph.initializer]
    tensors += [
        (node.output[0], attribute.t)
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for name, tensor in tensors:
        if tensor.data_type in kinds:
            yield name, np.asarray(numpy_helper.to_array(tensor))
