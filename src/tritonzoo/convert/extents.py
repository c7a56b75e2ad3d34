"""What is known of a tensor's extents without running the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.convert.graph import Graph

if TYPE_CHECKING:
    from onnx import NodeProto

Extent = int | str | None  # -1: inferred; "axis 2": that of another tensor's shape; None: unknown
_RANK = 4  # of the tensors that attention reshapes


def reshape_extents(graph: Graph, reshape: NodeProto) -> list[Extent]:
    """The shape that a reshape asks for; empty where not even its rank is known."""
    constant = graph.constant(reshape.input[1])
    if constant is not None:
        return [int(extent) if extent > 0 else -1 if extent < 0 else None for extent in constant.reshape(-1)]
    concat = graph.made_by(reshape.input[1], "Concat")
    return [] if concat is None else [extent for part in concat.input for extent in _part(graph, part)]


def width_of(graph: Graph, name: str) -> int:
    """The last extent of a projection's output, read off its weights; 0 where that cannot be done."""
    node = graph.made_by(name, "MatMul", "Add", "Mul", "Div")
    if node is None:
        return 0
    for tensor in node.input:
        weights = graph.constant(tensor)
        if weights is not None and weights.size > 1:
            return int(np.shape(weights)[-1])
    computed = [tensor for tensor in node.input if graph.constant(tensor) is None]
    return width_of(graph, computed[0]) if node.op_type != "MatMul" and len(computed) == 1 else 0


def _part(graph: Graph, name: str) -> list[Extent]:
    """What one piece of a concatenated shape says, by how it was taken from another tensor's shape."""
    constant = graph.constant(name)
    if constant is not None:
        return [int(extent) for extent in constant.reshape(-1)]
    unsqueeze = graph.made_by(name, "Unsqueeze")
    taken = graph.made_by(unsqueeze.input[0] if unsqueeze else name, "Gather", "Slice")
    if taken is None or graph.made_by(taken.input[0], "Shape") is None:
        return [None]
    bounds = [graph.scalar(bound) for bound in taken.input[1:3]]
    if None in bounds or len(taken.input) > 4:  # a slice with steps
        return [None]
    if taken.op_type == "Gather":
        return [f"axis {int(bounds[0] or 0) % _RANK}"]
    start, end = (int(bound or 0) for bound in bounds)
    return [f"axis {axis}" for axis in range(_RANK)[start:end]]
