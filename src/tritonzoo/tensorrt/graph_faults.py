"""What keeps TensorRT from reading an ONNX graph, said before minutes are spent on building a plan.

Sources: the operator table of onnx-tensorrt for TensorRT 10 (docs/operators.md, those marked N), NVIDIA's
"Working with Quantized Types" (Q/DQ must be symmetric), and Triton's TensorRT backend (data types).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from tritonzoo.errors import ConversionError

# TensorRT reads opset 9 up: 10.15 up to 24, earlier releases less. Nothing exported here is beyond 20.
OPSETS = range(9, 21)
_STANDARD_DOMAINS = frozenset(("", "ai.onnx"))
_READABLE_TYPES = ("FLOAT", "FLOAT16", "BFLOAT16", "INT64", "INT32", "INT8", "UINT8", "BOOL")
_UNREADABLE_OPERATORS = frozenset(
    "AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Compress"
    " ConcatFromSequence ConvInteger DFT Det DynamicQuantizeLinear ImageDecoder MatMulInteger MaxRoiPool"
    " MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional OptionalGetElement"
    " OptionalHasElement QLinearConv QLinearMatMul RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty"
    " SequenceErase SequenceInsert SequenceLength SequenceMap SoftmaxCrossEntropyLoss SplitToSequence"
    " StringConcat StringNormalizer StringSplit TfIdfVectorizer Unique".split()
)
_DYNAMIC_QUANTIZATION = frozenset(("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger"))


def load_graph(path: Path) -> Any:
    """The `onnx.ModelProto` in a file, without weights that are kept beside it.

    Raises:
        ConversionError: the file is absent or is not ONNX.
    """
    import onnx

    try:
        return onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise ConversionError(f"{path}: not found; convert the model to ONNX first") from None
    except DecodeError as error:
        raise ConversionError(
            f"{path}: not an ONNX file ({error}); convert the model to ONNX again"
        ) from None


def graph_faults(model: Any, precision: str) -> Iterator[str]:
    """Why TensorRT cannot read the graph, or not as a plan of this precision."""
    yield from _operator_faults(model)
    yield from _tensor_faults(model)
    yield from _precision_faults(model, precision)


def _operator_faults(model: Any) -> Iterator[str]:
    for opset in model.opset_import:
        if opset.domain in _STANDARD_DOMAINS and opset.version not in OPSETS:
            yield (
                f"opset {opset.version} is outside of {OPSETS[0]} to {OPSETS[-1]}, which TensorRT 10 reads; "
                f"export at opset 13 to 17"
            )
    own = {function.domain for function in model.functions}  # the parser inlines them
    nodes = [*_nodes(model.graph), *(node for function in model.functions for node in function.node)]
    foreign = {f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in _STANDARD_DOMAINS | own}
    if foreign:
        yield (
            f"has operators that only ONNX Runtime knows ({', '.join(sorted(foreign))}); build the plan from "
            f"the graph as it was before fusing or quantizing for ONNX Runtime"
        )
    unreadable = _UNREADABLE_OPERATORS & {n.op_type for n in nodes if n.domain in _STANDARD_DOMAINS}
    if unreadable & _DYNAMIC_QUANTIZATION:
        yield (
            f"is quantized dynamically ({', '.join(sorted(unreadable))}), which TensorRT cannot read; build "
            f"the plan from a statically quantized (QDQ) graph, or in fp16"
        )
    elif unreadable:
        yield (
            f"has operators that TensorRT cannot read ({', '.join(sorted(unreadable))}); export the model "
            f"without them"
        )


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the branches and loop bodies in it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(body)


def _tensor_faults(model: Any) -> Iterator[str]:
    from onnx import TensorProto

    for kind, tensors in (("input", model.graph.input), ("output", model.graph.output)):
        for tensor in tensors:
            if not tensor.type.HasField("tensor_type"):
                holder = tensor.type.WhichOneof("value").removesuffix("_type")
                yield f"{kind} {tensor.name} is a {holder}, and TensorRT has only tensors; export without it"
                continue
            data_type = TensorProto.DataType.Name(tensor.type.tensor_type.elem_type)
            if data_type not in _READABLE_TYPES:
                yield (
                    f"{kind} {tensor.name} is of type {data_type}, but TensorRT has only "
                    f"{', '.join(_READABLE_TYPES)}; cast it before the graph"
                )


def _precision_faults(model: Any, precision: str) -> Iterator[str]:
    """A plan takes its types from the graph, so the graph must be of the precision that is asked for."""
    from onnx import TensorProto

    has_half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
    quantizers = [n for n in _nodes(model.graph) if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    if precision == "fp16" and not has_half:
        yield "holds no float16 weights, so the plan would be fp32; build it from the fp16 graph"
    if precision == "fp32" and (has_half or quantizers):
        yield "is not an fp32 graph; build the fp32 plan from the one that is"
    if precision in ("int8", "best"):
        is_dynamic = any(node.op_type in _DYNAMIC_QUANTIZATION for node in _nodes(model.graph))
        if not quantizers and not is_dynamic:  # the latter has been said of its operators
            yield (
                f"holds no QuantizeLinear and DequantizeLinear, so that {precision} would have no scales; "
                f"build the plan from a statically quantized (QDQ) graph"
            )
        yield from _symmetry_faults(model, quantizers)


def _symmetry_faults(model: Any, quantizers: Sequence[Any]) -> Iterator[str]:
    """Scales without an offset, to int8: what TensorRT's integer kernels compute with."""
    from onnx import TensorProto, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    wide, skewed = [], []
    for node in quantizers:
        zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero_point is None:
            continue
        if zero_point.data_type == TensorProto.INT32:
            wide.append(node.name or node.output[0])
        elif zero_point.data_type != TensorProto.INT8 or numpy_helper.to_array(zero_point).any():
            skewed.append(node.name or node.output[0])
    if wide:
        yield (
            f"quantizes biases to int32 ({len(wide)} nodes, such as {wide[0]}), but TensorRT dequantizes "
            f"int8 alone; leave biases in floating point (QuantizeBias: False)"
        )
    if skewed:
        yield (
            f"quantizes asymmetrically or to uint8 ({len(skewed)} nodes, such as {skewed[0]}), but TensorRT "
            f"needs int8 with zero points of 0; quantize weights and activations symmetrically"
        )
