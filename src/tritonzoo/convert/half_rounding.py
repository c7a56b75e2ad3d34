"""What a float16 graph answers on hardware that computes in float16, found on a CPU.

ONNX Runtime's CPU kernels run a float16 graph in float32 and leave out the conversions between them: an
activation of 10^6 passes, a GPU answers Inf. So every tensor that is float16 in the artifact is rounded to it
here by a pair of casts, which ONNX Runtime keeps. Sums inside one operator stay float32, as in the float16
kernels of cuBLAS and cuDNN that ONNX Runtime uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def with_half_rounding(model: ModelProto) -> ModelProto:
    """A float32 copy of a float16 graph that rounds wherever the original is float16.

    The graph must carry the type of every inner tensor, and have its constants as initializers.
    """
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    halves = _half_tensors(copy)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            value = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    nodes: list[NodeProto] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            elif attribute.t.data_type == TensorProto.FLOAT16:  # the value of a ConstantOfShape
                attribute.t.CopyFrom(
                    numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype("float32"))
                )
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in halves:
                exact, half = f"{name}/exact", f"{name}/half"
                node.output[index] = exact
                nodes.append(helper.make_node("Cast", [exact], [half], half, to=TensorProto.FLOAT16))
                nodes.append(
                    helper.make_node("Cast", [half], [name], f"{name}/rounded", to=TensorProto.FLOAT)
                )
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return copy


def _half_tensors(model: ModelProto) -> set[str]:
    """The computed float16 tensors by name."""
    from onnx import TensorProto

    halves = {t.name for t in model.graph.value_info if t.type.tensor_type.elem_type == TensorProto.FLOAT16}
    casts = (node for node in model.graph.node if node.op_type == "Cast")
    return halves | {
        cast.output[0]
        for cast in casts
        if any(attribute.name == "to" and attribute.i == TensorProto.FLOAT16 for attribute in cast.attribute)
    }
