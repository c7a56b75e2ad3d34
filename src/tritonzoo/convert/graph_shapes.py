"""What a graph itself says of its outputs' extents, beyond the labels that an exporter put there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

Dim = int | str | None  # a fixed extent, the name of one that varies, or one that varies and has no name

_LARGEST_CONSTANT_BYTES = 4096  # shapes are computed from small constants; weights only weigh


def inferred_outputs(model: ModelProto) -> dict[str, tuple[Dim, ...] | None]:
    """Each output's extents as they follow from the inputs'; None for a rank that cannot be told.

    The labels on the outputs are ignored: torch's TorchScript exporter writes "batch" there even when the
    traced batch size is a constant in the graph.
    """
    from onnx import shape_inference

    skeleton = _without_weights(model)
    inferred = shape_inference.infer_shapes(skeleton, strict_mode=False, data_prop=True)
    return {tensor.name: dims_of(tensor) for tensor in inferred.graph.output}


def dims_of(tensor: Any) -> tuple[Dim, ...] | None:
    """The extents that a graph's input or output is labelled with; None where it has no shape."""
    kind = tensor.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None) for dim in kind.shape.dim
    )


def set_dims(tensor: Any, dims: tuple[Dim, ...]) -> None:
    """Label a graph's input or output with these extents."""
    shape = tensor.type.tensor_type.shape
    del shape.dim[:]
    for dim in dims:
        entry = shape.dim.add()
        if isinstance(dim, int):
            entry.dim_value = dim
        elif dim:
            entry.dim_param = dim


def _without_weights(model: ModelProto) -> ModelProto:
    """A copy whose large constants are inputs of the same shape, and whose outputs have no labels."""
    from onnx import GraphProto, ModelProto, ValueInfoProto, helper

    graph = GraphProto(name=model.graph.name)
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:
        if tensor.ByteSize() > _LARGEST_CONSTANT_BYTES:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        else:
            graph.initializer.append(tensor)
    for output in model.graph.output:
        bare = ValueInfoProto(name=output.name)
        bare.type.tensor_type.elem_type = output.type.tensor_type.elem_type
        graph.output.append(bare)
    return ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions, graph=graph
    )
