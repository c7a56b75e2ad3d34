"""int8 with a scale for each row of activations: an answer does not depend on what else is in its batch.

ONNX Runtime's own dynamic quantization takes one scale over a whole tensor, so that one loud token costs all
others their precision, those of other clients too. Here each row (each token) has its own. What that takes
is a few passes more over the activations; what it saves are the layers that had to stay float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.graph import Graph
from tritonzoo.convert.quantize import Quantized, constant_products, multiplies_int8_exactly, prepared, search
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    import numpy.typing as npt
    from onnx import ModelProto, NodeProto

    from tritonzoo.convert.quantize import Evaluate, Sample, Step

CONTRIB = "com.microsoft"
_ZERO = 128  # of the activations: uint8, whose 1 to 255 are -127 to 127
_LARGEST = 127
_LARGEST_REDUCED = 64  # 255 * 64 * 2 fits into the 16 bits in which x86 without VNNI sums pairs
_AXES_AS_INPUT = 18  # the opset from which ReduceMax takes its axes as an input
_LEAST = 1e-12  # added to a row's largest magnitude, so that a row of zeros is no division by zero


def quantize_rows(
    source: Path,
    target: Path,
    samples: Sequence[Sample],
    evaluate: Evaluate,
    tolerance: Tolerance,
    on_step: Step = lambda step: None,
    *,
    reduced_range: bool | None = None,
) -> Quantized:
    """Write `source` with its matrix products in int8 to `target`; each row is scaled by itself at each call.

    Weights are symmetric with a scale for each column, activations symmetric with a scale for each row
    (Dettmers et al., LLM.int8(), NeurIPS 2022, section 2.1, "vector-wise quantization").

    Args:
        source: a float32 graph, fused or not.
        target: replaced in one step, and only if the tolerance holds.
        samples: what the layers are ranked on.
        evaluate: runs an ONNX file and the source model over the recipe's samples.
        reduced_range: weights of 7 bits; None leaves it to this machine's processor.

    Raises:
        ConversionError: `source` cannot be read, holds NaN or Inf, or has nothing to quantize.
        ParityError: the tolerance does not hold even with every layer left out.
    """
    reduced = not multiplies_int8_exactly() if reduced_range is None else reduced_range
    model = prepared(source)
    graph = Graph(model)
    candidates = {
        name: node for name, node in constant_products(model).items() if _weight(graph, node).ndim == 2
    }
    largest = _LARGEST_REDUCED if reduced else _LARGEST
    weights = {name: _quantized_weight(_weight(graph, node), largest) for name, node in candidates.items()}
    on_step(f"quantizing {len(candidates)} layers")

    def build(left_out: frozenset[str]) -> ModelProto:
        return _with_rows(model, {name: w for name, w in weights.items() if name not in left_out})

    left, parity = search(model, candidates, build, target, samples, evaluate, tolerance, on_step)
    return Quantized(left, len(candidates), reduced, parity)


def _weight(graph: Graph, node: NodeProto) -> npt.NDArray[Any]:
    weight = graph.constant(node.input[1])
    assert weight is not None, "a candidate's weight is constant"
    return weight


def _quantized_weight(
    weight: npt.NDArray[Any], largest: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """(width, columns) in int8, and each column's scale; a column of zeros has scale 1."""
    scale = np.abs(weight).max(axis=0) / largest
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def _with_rows(
    model: ModelProto, weights: Mapping[str, tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]]
) -> ModelProto:
    """A copy of the graph with the named products in int8; what several take is quantized once."""
    from onnx import ModelProto, helper

    copy = ModelProto()
    copy.CopyFrom(model)
    if not weights:
        return copy
    if all(opset.domain != CONTRIB for opset in copy.opset_import):
        copy.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    rows = _Rows(copy)
    for original in copy.graph.node:
        if original.name in weights:
            rows.multiply(original, *weights[original.name])
        else:
            rows.nodes.append(original)
    nodes = rows.nodes
    taken = {name for node in nodes for name in node.input} | {tensor.name for tensor in copy.graph.output}
    kept = [tensor for tensor in copy.graph.initializer if tensor.name in taken]
    del copy.graph.node[:], copy.graph.initializer[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(kept)
    return copy


class _Rows:
    """The nodes of a graph in the making, whose products are in int8 with a scale for each row."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self._model = model
        self._quantized: dict[str, tuple[str, str]] = {}  # tensor -> its int8 form and its rows' scales
        self._least = self._constant("rows/least", np.array(_LEAST, np.float32))
        self._one = self._constant("rows/one", np.array(1, np.float32))
        self._step = self._constant("rows/step", np.array(1 / _LARGEST, np.float32))
        self._zero = self._constant("rows/zero", np.array(_ZERO, np.uint8))
        self._last_axis = self._constant("rows/last_axis", np.array([-1], np.int64))
        opset = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self._axes_as_input = opset >= _AXES_AS_INPUT

    def multiply(
        self, product: NodeProto, weight: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]
    ) -> None:
        """Append what takes the place of one product, whose output keeps its name."""
        activations, row_scales = self._quantize(product.input[0])
        name = f"{product.name}/rows"
        inputs = (
            activations,
            self._constant(f"{name}/weight", weight),
            self._one,
            self._constant(f"{name}/weight_scale", (scale / _LARGEST).astype(np.float32)),
            self._zero,
        )
        unscaled = self._node("MatMulIntegerToFloat", f"{name}/product", *inputs, domain=CONTRIB)
        self._node("Mul", product.output[0], unscaled, row_scales)

    def _quantize(self, tensor: str) -> tuple[str, str]:
        """The tensor in uint8 around _ZERO, and the largest magnitude of each row."""
        if tensor not in self._quantized:
            name = f"{tensor}/rows"
            magnitudes = self._node("Abs", f"{name}/magnitudes", tensor)
            largest = self._largest(f"{name}/largest", magnitudes)
            scale = self._node("Add", f"{name}/scale", largest, self._least)
            unit = self._node("Div", f"{name}/unit", tensor, scale)  # within [-1, 1]
            int8 = self._node("QuantizeLinear", f"{name}/int8", unit, self._step, self._zero)
            self._quantized[tensor] = int8, scale
        return self._quantized[tensor]

    def _largest(self, name: str, tensor: str) -> str:
        if self._axes_as_input:
            return self._node("ReduceMax", name, tensor, self._last_axis, keepdims=1)
        return self._node("ReduceMax", name, tensor, axes=[-1], keepdims=1)

    def _constant(self, name: str, value: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _node(self, operator: str, output: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], output, domain=domain, **attributes))
        return output
