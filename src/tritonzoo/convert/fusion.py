"""`fuse`: attention, layer normalisation and GELU as single operators of ONNX Runtime.

Fused graphs are for ONNX Runtime alone: they use its contrib operators (domain com.microsoft), which
TensorRT does not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.attention import Attention, find_attention
from tritonzoo.convert.graph import (
    Graph,
    attribute,
    constants_to_initializers,
    forget_shapes,
    prune,
    quiet,
    read_sound,
    skip_identities,
    write,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    from onnx import ModelProto, NodeProto

CONTRIB = "com.microsoft"
LEAST_ONNXRUNTIME = "1.20"  # the first whose MultiHeadAttention broadcasts its bias over batch and heads
_RANDOM = {
    "Bernoulli", "Dropout", "Multinomial",
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
}  # fmt: skip
_MASKED = -1e4  # added to a score: exp() of it is 0 in float32 as in float16, and a sum of it stays finite


@dataclass(frozen=True)
class Fused:
    """What became one operator each, and how many nodes the graph had before and has now."""

    counts: Mapping[str, int]  # operator -> how many; only those that are there
    nodes_before: int
    nodes_after: int

    def __str__(self) -> str:
        parts = [f"{count} {operator}" for operator, count in self.counts.items()]
        return f"{', '.join(parts) or 'nothing'} fused, {self.nodes_before} nodes became {self.nodes_after}"


def fuse(source: Path, target: Path) -> Fused:
    """Write the graph of `source` to `target` with its attention, layer norms and GELUs fused.

    A graph with none of them (a CNN, say) is written as it is. The answers change by rounding alone, which
    the caller measures as for every artifact.

    Raises:
        ConversionError: `source` cannot be read, or holds NaN or Inf.
    """
    model = read_sound(source)
    before = len(model.graph.node)
    forget_shapes(model)
    skip_identities(model)
    share_equal_nodes(model)
    constants_to_initializers(model)
    fuse_attention(model)
    reshape_by_constants(model)
    prune(model)
    model = _fuse_pointwise(model)
    prune(model)
    counts = Counter(node.op_type for node in model.graph.node if node.domain == CONTRIB)
    write(model, target)
    return Fused(dict(sorted(counts.items())), before, len(model.graph.node))


def fuse_attention(model: ModelProto) -> int:
    """Replace every attention of the graph by one MultiHeadAttention node; returns how many there were.

    The nodes that made it up stay, without takers, and the new ones come last: clean up and sort afterwards.
    """
    from onnx import helper

    graph = Graph(model)
    found = find_attention(graph)
    biases: dict[tuple[object, ...], str] = {}  # layers share their mask; it is made ready once
    for number, attention in enumerate(found):
        inputs = [attention.query, attention.key, attention.value]
        if attention.biases:
            key = (attention.biases, attention.guarded)
            if key not in biases:
                biases[key] = _add_bias(model, attention, f"attention_bias_{len(biases)}")
            inputs += ["", "", biases[key]]
        model.graph.node.remove(graph.producer[attention.output])
        model.graph.node.append(
            helper.make_node(
                "MultiHeadAttention",
                inputs,
                [attention.output],
                name=f"attention_{number}",
                domain=CONTRIB,
                num_heads=attention.heads,
                scale=attention.scale,
            )
        )
    if found and all(opset.domain != CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    return len(found)


def _add_bias(model: ModelProto, attention: Attention, name: str) -> str:
    """Add the nodes that make one attention's bias: four axes, and a row for every token."""
    from onnx import helper, numpy_helper

    def constant(suffix: str, value: npt.NDArray[Any]) -> str:
        model.graph.initializer.append(numpy_helper.from_array(value, f"{name}_{suffix}"))
        return f"{name}_{suffix}"

    def node(operator: str, suffix: str, *inputs: str, **attributes: int) -> str:
        model.graph.node.append(
            helper.make_node(operator, inputs, [f"{name}_{suffix}"], f"{name}_{suffix}", **attributes)
        )
        return f"{name}_{suffix}"

    bias = attention.biases[0]
    for number, other in enumerate(attention.biases[1:]):
        bias = node("Add", f"sum_{number}", bias, other)
    if attention.guarded:
        # A row masked whole becomes a mean instead of NaN; what follows such a row is masked anyway.
        bias = node("Max", "finite", bias, constant("masked", np.array(_MASKED, np.float32)))
    one = constant("one", np.array([1], np.int64))
    shape = node("Shape", "query_shape", attention.query)
    tokens = node("Gather", "tokens", shape, one)
    return node("Expand", "full", bias, node("Concat", "full_shape", one, one, tokens, one, axis=0))


def reshape_by_constants(model: ModelProto) -> int:
    """Let a reshape that keeps an axis say so by 0, in place of reading it; how many did.

    What reads it (Shape, Gather, Unsqueeze, Concat for each) stays without takers: prune afterwards.
    """
    from onnx import numpy_helper

    graph, changed = Graph(model), 0
    for node in graph.nodes:
        concat = graph.made_by(node.input[1], "Concat") if node.op_type == "Reshape" else None
        if concat is None or attribute(node, "allowzero"):
            continue
        parts = [_extent(graph, part, node.input[0], place) for place, part in enumerate(concat.input)]
        if None in parts or parts.count(-1) > 1:
            continue
        name = f"{node.output[0]}/extents"
        model.graph.initializer.append(numpy_helper.from_array(np.array(parts, np.int64), name))
        node.input[1] = name
        changed += 1
    return changed


def _extent(graph: Graph, part: str, reshaped: str, place: int) -> int | None:
    """One part of a reshape's target: a number, 0 for the extent that is there already, None for others."""
    constant = graph.constant(part)
    if constant is not None:
        return int(constant.reshape(-1)[0]) if constant.size == 1 and constant.reshape(-1)[0] != 0 else None
    unsqueeze = graph.made_by(part, "Unsqueeze")
    taken = graph.made_by(unsqueeze.input[0], "Gather") if unsqueeze else None
    shape = graph.made_by(taken.input[0], "Shape") if taken else None
    if taken is None or shape is None or shape.input[0] != reshaped or shape.attribute:
        return None
    return 0 if graph.scalar(taken.input[1]) == place else None


def _fuse_pointwise(model: ModelProto) -> ModelProto:
    """Layer norms with their residual, GELUs with their bias; dead nodes removed, the rest in order."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_by_fusion

    options = FusionOptions("bert")
    options.enable_attention = False  # found above, in more forms
    options.enable_embed_layer_norm = False  # wants 32-bit ids and a mask that says lengths
    with quiet("onnxruntime.transformers"), quiet("symbolic_shape_infer"):
        optimized = optimize_by_fusion(model, "bert", optimization_options=options)
    result: ModelProto = optimized.model
    return result


def share_equal_nodes(model: ModelProto) -> None:
    """Compute what several layers compute alike once: their mask, their reshapes' targets."""
    renamed: dict[str, str] = {}
    seen: dict[tuple[object, ...], NodeProto] = {}
    outputs = {tensor.name for tensor in model.graph.output}
    kept = []
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        attributes = tuple(sorted(attribute.SerializeToString() for attribute in node.attribute))
        key = (node.domain, node.op_type, tuple(node.input), len(node.output), attributes)
        twin = seen.get(key)
        if twin is None or node.op_type in _RANDOM or outputs & set(node.output):
            seen.setdefault(key, node)
            kept.append(node)
        else:
            renamed |= dict(zip(node.output, twin.output, strict=True))
    del model.graph.node[:]
    model.graph.node.extend(kept)
