"""Find multi-head attention in an exported graph, whichever way the model wrote it, and make it one node.

Both of transformers' exportable forms are found (eager and scaled-dot-product, the latter with its guard
against rows that are masked whole), with the scale on the scores, the queries or the keys, and with any
additive bias: a padding mask, relative positions, or both. Vaswani et al., Attention Is All You Need, 2017
(arXiv:1706.03762), equation 1; the node is ONNX Runtime's contrib operator MultiHeadAttention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonzoo.convert.extents import reshape_extents, width_of
from tritonzoo.convert.graph import Graph, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

_HEADS_FIRST = [0, 2, 1, 3]  # (batch, tokens, heads, size) <-> (batch, heads, tokens, size)
_FLOAT32 = 1  # onnx.TensorProto.FLOAT
_KEYS_LAST = [0, 2, 3, 1]  # (batch, tokens, heads, size) -> (batch, heads, size, tokens)


@dataclass(frozen=True)
class _Heads:
    """A tensor (batch, tokens, width) on its way into a product, split into heads and transposed."""

    source: str
    permutation: list[int]
    scale: float
    heads: int


@dataclass(frozen=True)
class Attention:
    """One attention: softmax(scale * query keyᵀ + biases) value, by the names of its tensors."""

    query: str  # (batch, tokens, width); key and value may have other tokens
    key: str
    value: str
    heads: int
    scale: float
    biases: tuple[str, ...]  # each broadcasts to (batch, heads, tokens, keys)
    guarded: bool  # a row that is masked whole answers 0, not NaN
    output: str  # (batch, tokens, width)


def find_attention(graph: Graph) -> list[Attention]:
    """Every attention of the graph, in its order."""
    matches = (_match(graph, node) for node in graph.nodes if node.op_type == "Softmax")
    return [match for match in matches if match is not None]


def _match(graph: Graph, softmax: NodeProto) -> Attention | None:
    product, scale, biases = _scores(graph, softmax.input[0])
    if product is None or attribute(softmax, "axis") not in (-1, 3, None):
        return None
    query, key = (_heads(graph, name) for name in product.input)
    weights, guarded = _weights(graph, softmax.output[0])
    weighted = graph.only_consumer(weights, "MatMul")
    if query is None or key is None or weighted is None or weighted.input[0] != weights:
        return None
    value = _heads(graph, weighted.input[1])
    output = _merged(graph, weighted.output[0])
    if value is None or output is None or not query.heads == key.heads == value.heads or value.scale != 1:
        return None
    if (query.permutation, key.permutation, value.permutation) != (_HEADS_FIRST, _KEYS_LAST, _HEADS_FIRST):
        return None
    return Attention(
        query.source, key.source, value.source, query.heads, scale * query.scale * key.scale, biases, guarded,
        output,
    )  # fmt: skip


def _scores(graph: Graph, name: str) -> tuple[NodeProto | None, float, tuple[str, ...]]:
    """The product under the softmax, the scale on it, and what is added to it."""
    if add := graph.made_by(name, "Add"):
        for product_side, bias in (add.input, reversed(add.input)):
            product, scale, biases = _scores(graph, product_side)
            if product is not None:
                return product, scale, (*biases, bias)
        return None, 1.0, ()
    inner, scale = _unscaled(graph, name)
    return graph.made_by(inner, "MatMul"), scale, ()


def _unscaled(graph: Graph, name: str) -> tuple[str, float]:
    """Walk back over a multiplication with, or division by, one number."""
    node = graph.made_by(name, "Mul", "Div")
    if node is None:
        return name, 1.0
    if (factor := graph.scalar(node.input[1])) is not None:
        return node.input[0], factor if node.op_type == "Mul" else 1 / factor
    if node.op_type == "Mul" and (factor := graph.scalar(node.input[0])) is not None:
        return node.input[1], factor
    return name, 1.0


def _heads(graph: Graph, name: str) -> _Heads | None:
    """Walk back over scales and transposes to the reshape that split the width into heads."""
    permutation, scale = [0, 1, 2, 3], 1.0
    while True:
        inner, factor = _unscaled(graph, name)
        scale *= factor
        before, step = _transposed(graph, inner)
        if step is not None:
            if len(step) != len(permutation):
                return None
            permutation = [step[axis] for axis in permutation]
        elif before == name:
            break
        name = before
    reshape = graph.made_by(name, "Reshape")
    extents = [] if reshape is None else reshape_extents(graph, reshape)
    if reshape is None or len(extents) != 4:
        return None
    heads, size = (extent if isinstance(extent, int) and extent > 0 else 0 for extent in extents[2:])
    if not heads and size:
        heads = width_of(graph, reshape.input[0]) // size
    return _Heads(reshape.input[0], permutation, scale, heads) if heads else None


def _transposed(graph: Graph, name: str) -> tuple[str, list[int] | None]:
    """Walk back over a transpose: the tensor before it and the permutation, None where there is none.

    torch's newer exporter swaps the keys' last two axes in three axes: a reshape joins batch and heads, and
    another takes them apart again.
    """
    if transpose := graph.made_by(name, "Transpose"):
        return transpose.input[0], attribute(transpose, "perm")
    apart = graph.made_by(name, "Reshape")
    swap = graph.made_by(apart.input[0], "Transpose") if apart else None
    join = graph.made_by(swap.input[0], "Reshape") if swap else None
    if (
        apart is not None
        and swap is not None
        and join is not None
        and attribute(swap, "perm") == [0, 2, 1]
        and reshape_extents(graph, join) == [-1, "axis 2", "axis 3"]
        and reshape_extents(graph, apart) == ["axis 0", "axis 1", "axis 3", "axis 2"]
    ):
        return join.input[0], [0, 1, 3, 2]
    return name, None


def _weights(graph: Graph, softmax: str) -> tuple[str, bool]:
    """The attention weights, after the guard that turns the NaN of a row masked whole into zeros."""
    while (cast := graph.only_consumer(softmax, "Cast")) and attribute(cast, "to") == _FLOAT32:
        softmax = cast.output[0]  # float32 is what it is already
    takers = graph.consumers[softmax]
    guard = next((node for node in takers if node.op_type == "Where" and node.input[2] == softmax), None)
    if guard is None or len(takers) != 2:
        return softmax, False
    condition = graph.made_by(guard.input[0], "IsNaN")
    if condition is None or condition.input[0] != softmax or graph.scalar(guard.input[1]) != 0:
        return softmax, False
    return guard.output[0], True


def _merged(graph: Graph, name: str) -> str | None:
    """Walk on over the transpose and the reshape that join the heads again."""
    if same := graph.only_consumer(name, "Reshape"):
        if not _keeps_extents(graph, same):
            return None
        name = same.output[0]
    transpose = graph.only_consumer(name, "Transpose")
    if transpose is None or attribute(transpose, "perm") != _HEADS_FIRST:
        return None
    reshape = graph.only_consumer(transpose.output[0], "Reshape")
    if reshape is None or len(reshape_extents(graph, reshape)) != 3:
        return None
    return str(reshape.output[0])


def _keeps_extents(graph: Graph, reshape: NodeProto) -> bool:
    """Whether a reshape of (batch, heads, tokens, size) asks for just that; one axis may be inferred."""
    extents = reshape_extents(graph, reshape)
    inferred = [extent for extent in extents if extent == -1]
    return (
        len(extents) == 4
        and len(inferred) <= 1
        and all(extent in (-1, f"axis {axis}") for axis, extent in enumerate(extents))
    )
