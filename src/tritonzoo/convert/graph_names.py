"""Give an ONNX graph's inputs and outputs the names that `config.pbtxt` declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


def rename_tensors(model: ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Rename the graph's inputs and outputs by position, whatever its inner tensors are called.

    An inner tensor that already has a name wanted outside gets another one (torch's dynamo exporter, told to
    call an output "embedding", leaves the inner tensor of that name and writes a graph that no runtime
    loads). An output that is itself an input or a constant, or is given out twice, is copied first, so that
    it can have a name of its own.
    """
    _copy_shared_outputs(model.graph)
    names = dict(zip((tensor.name for tensor in model.graph.input), inputs, strict=True))
    names |= dict(zip((tensor.name for tensor in model.graph.output), outputs, strict=True))
    taken = {name for graph in graphs(model.graph) for name in _defined(graph)} | set(names.values())
    for name in sorted(taken & set(names.values()) - set(names)):
        names[name] = _unused(name, taken)
        taken.add(names[name])
    for graph in graphs(model.graph):
        _apply(graph, names)


def _copy_shared_outputs(graph: GraphProto) -> None:
    from onnx import helper

    taken = {name for inner in graphs(graph) for name in _defined(inner)}
    not_yet_given = {name for node in graph.node for name in node.output}
    for tensor in graph.output:
        if tensor.name in not_yet_given:
            not_yet_given.remove(tensor.name)
            continue
        copy = _unused(tensor.name, taken)
        taken.add(copy)
        graph.node.append(helper.make_node("Identity", [tensor.name], [copy], name=f"{copy}_identity"))
        tensor.name = copy


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and the branches and loop bodies in it: one name is one tensor in all of them."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from graphs(body)


def _defined(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    yield from (name for node in graph.node for name in node.output if name)


def _unused(name: str, taken: Collection[str]) -> str:
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _apply(graph: GraphProto, names: Mapping[str, str]) -> None:
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        tensor.name = names.get(tensor.name, tensor.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        _replace(node.input, names)
        _replace(node.output, names)


def _replace(tensors: Any, names: Mapping[str, str]) -> None:
    for index, name in enumerate(tensors):
        tensors[index] = names.get(name, name)
