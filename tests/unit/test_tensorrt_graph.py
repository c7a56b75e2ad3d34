"""What is said of a graph before a plan is built from it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt.plan import PlanFromOnnx
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, fixed_profile, one_profile

SHAPES = {"x": Shapes((1, 2), (4, 8), (8, 16))}
CONFIG = text_format.Parse(
    'backend: "onnxruntime" max_batch_size: 8 input [{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }]'
    ' output [{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }]',
    model_config_pb2.ModelConfig(),
)


def graph(
    nodes=None,
    *,
    opset=17,
    domain="",
    x=("batch", "length"),
    element=TensorProto.FLOAT,
    constants=(),
    inputs=(),
):
    x_info = helper.make_tensor_value_info("x", element, x)
    y_info = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", None])
    built = helper.make_graph(
        nodes or [helper.make_node("Relu", ["x"], ["y"])], "g", [x_info, *inputs], [y_info]
    )
    built.initializer.extend(constants)
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(built, opset_imports=opsets)


def constant(name, value, dtype):
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def quantized(zero_point, dtype=np.int8):
    constants = (constant("scale", 0.1, np.float32), constant("zero", zero_point, dtype))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="quantize_x"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    return graph(nodes, constants=constants)


def require(tmp_path, model, precision="fp32", profiles=None, shapes=SHAPES, config=CONFIG, padded_to=()):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    plan = PlanFromOnnx(
        path, tmp_path / "model.plan", precision, one_profile(shapes) if profiles is None else profiles
    )
    plan.require_buildable(shapes, config, padded_to)


def node(op_type, domain=""):
    return [helper.make_node(op_type, ["x"], ["y"], domain=domain)]


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        (graph(), "fp32"),
        (graph(element=TensorProto.INT64), "fp32"),
        (graph(constants=[constant("w", 1, np.float16)]), "fp16"),
        (quantized(0), "int8"),
        (quantized(0), "best"),
        (quantized([0, 0]), "int8"),
        (graph(opset=9), "fp32"),
        (graph(opset=20), "fp32"),
    ],
)
def test_a_graph_that_tensorrt_reads_passes(tmp_path, model, precision):
    require(tmp_path, model, precision)


@pytest.mark.parametrize(
    ("model", "precision", "sentence"),
    [
        (graph(opset=8), "fp32", "opset 8 is outside of 9 to 20, .* export at opset 13 to 17"),
        (graph(opset=21), "fp32", "opset 21 is outside of 9 to 20"),
        (graph(node("Attention", "com.microsoft"), domain="com.microsoft"), "fp32",
         r"only ONNX Runtime knows \(com.microsoft.Attention\); build the plan from the graph as it was before"),
        (graph(node("MatMulInteger")), "int8", "quantized dynamically .*; build the plan from a statically quantized"),
        (graph(node("SequenceAt")), "fp32", r"TensorRT cannot read \(SequenceAt\); export the model without"),
        (graph(element=TensorProto.STRING), "fp32", "input x is of type STRING, but TensorRT has only FLOAT, "),
        (graph(element=TensorProto.DOUBLE), "fp32", "input x is of type DOUBLE"),
        (graph(), "fp16", "holds no float16 weights, .* build it from the fp16 graph"),
        (graph(), "int8", "no QuantizeLinear and DequantizeLinear, so that int8 would have no scales"),
        (graph(), "best", "so that best would have no scales"),
        (graph(constants=[constant("w", 1, np.float16)]), "fp32", "is not an fp32 graph"),
        (quantized(0), "fp32", "is not an fp32 graph"),
        (quantized(3), "int8", r"asymmetrically or to uint8 \(2 nodes, such as quantize_x\)"),
        (quantized([0, 1]), "int8", "quantize weights and activations symmetrically"),
        (quantized(128, np.uint8), "int8", "asymmetrically or to uint8"),
        (quantized(0, np.uint8), "int8", "asymmetrically or to uint8"),
        (quantized(0, np.int32), "int8", "biases to int32 .* leave biases in floating point"),
    ],
)  # fmt: skip
def test_a_graph_that_tensorrt_cannot_read_is_refused_with_the_remedy(tmp_path, model, precision, sentence):
    with pytest.raises(ConversionError, match=sentence):
        require(tmp_path, model, precision)


def test_dynamic_quantization_is_one_reason_and_not_two(tmp_path):
    with pytest.raises(ConversionError) as refused:
        require(tmp_path, graph(node("MatMulInteger")), "int8")
    assert str(refused.value).count("model.onnx: ") == 1


def test_operators_inside_of_a_branch_are_seen(tmp_path):
    def branch(op_type):
        info = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op_type, ["x"], ["b"])], op_type, [], [info])

    chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Unique"))
    with pytest.raises(ConversionError, match=r"cannot read \(Unique\)"):
        require(tmp_path, graph([chosen], constants=[constant("c", True, np.bool_)]))


def test_functions_of_the_graph_itself_are_no_foreign_operators(tmp_path):
    model = graph(node("Twice", "local"), domain="local")
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(
        helper.make_function("local", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    )
    require(tmp_path, model)


def test_a_sequence_is_no_tensor(tmp_path):
    model = graph()
    tensor_type = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_value_info("y", helper.make_sequence_type_proto(tensor_type))
    model.graph.output[0].CopyFrom(sequence)
    with pytest.raises(ConversionError, match="output y is a sequence, and TensorRT has only tensors"):
        require(tmp_path, model)


@pytest.mark.parametrize(
    ("model", "profiles", "sentence"),
    [
        (graph(), (), "dynamic axes and no shape profile; give each input its min, opt and max"),
        (graph(x=(4, 8)), None, "no dynamic axis, .* build it without a profile"),
        (graph(x=(4, 8)), (), "has a fixed batch, but max_batch_size is 8"),
        (graph(x=("batch", 8)), None, "axis 1 of x is fixed at 8 in the graph, but 2 to 16 in profile 0"),
        (graph(), ({"x": Shapes((1,), (1,), (8,))},), "x has rank 2, but rank 1 in profile 0"),
        (graph(), ({"z": SHAPES["x"]},), "input x has no shapes in profile 0; give its min, opt and max"),
        (graph(), ({**SHAPES, "z": SHAPES["x"]},), "gives shapes for z, but the inputs are x"),
        (graph(), ({"x": Shapes((1, 2), (4, 8), (9, 16))},), "has 9 rows, but max_batch_size is 8"),
        (graph(), ({"x": Shapes((1, 2), (4, 8), (4, 16))},), "no profile takes x 5x2"),
        (graph(), ({"x": Shapes((2, 2), (4, 8), (8, 16))},), "no profile takes x 1x2"),
        (graph(), fixed_profile(SHAPES), "no profile takes x 1x2"),
        (graph(), bucket_profiles(SHAPES, (4, 16), fixed=True), "no profile takes x 1x2"),
        (graph(), ({"x": Shapes((1, 2), (4, 4), (8, 4))}, {"x": Shapes((1, 6), (4, 8), (8, 16))}),
         r"no profile takes x 1x5, which config.pbtxt \(max_batch_size 8\) and the recipe let in; widen"),
        (graph(), ({"x": Shapes((1, 2), (4, 4), (8, 4))}, {"x": Shapes((1, 5), (4, 8), (4, 16))}), "x 5x5"),
        (graph(inputs=[helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])]), None,
         "has the inputs x, w, but config.pbtxt declares x; make them agree"),
    ],
)  # fmt: skip
def test_profiles_that_the_graph_or_the_config_contradicts_are_refused(tmp_path, model, profiles, sentence):
    with pytest.raises(ConversionError, match=sentence):
        require(tmp_path, model, profiles=profiles)


def test_a_graph_of_one_shape_is_built_without_a_profile(tmp_path):
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(CONFIG)
    config.max_batch_size = 0
    require(tmp_path, graph(x=(4, 8)), shapes={"x": Shapes((4, 8), (4, 8), (4, 8))}, config=config)


def test_buckets_take_every_shape(tmp_path):
    require(tmp_path, graph(), profiles=bucket_profiles(SHAPES, (4, 8, 16)))


def test_fixed_lengths_are_enough_where_requests_are_padded_to_them(tmp_path):
    require(tmp_path, graph(), profiles=bucket_profiles(SHAPES, (4, 16), fixed=True), padded_to=(4, 16))


def test_a_length_and_that_of_its_mask_are_one(tmp_path):
    text = {name: Shapes((1, 2), (4, 8), (8, 16)) for name in ("x", "mask")}
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(CONFIG)
    config.input.add(name="mask", data_type=model_config_pb2.TYPE_FP32, dims=[-1])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "length"])
    profiles = bucket_profiles(text, (4, 16))
    require(tmp_path, graph(inputs=[mask]), profiles=profiles, shapes=text, config=config)


def test_every_reason_is_given_at_once(tmp_path):
    with pytest.raises(ConversionError) as refused:
        require(tmp_path, graph(node("Unique"), opset=21, x=("batch", 8)), "fp16")
    assert str(refused.value).count("model.onnx: ") == 4


@pytest.mark.parametrize(("content", "sentence"), [(None, "not found"), (b"no graph", "not an ONNX file")])
def test_a_file_that_is_no_graph_is_named(tmp_path, content, sentence):
    path = tmp_path / "model.onnx"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConversionError, match=f"model.onnx: {sentence}"):
        PlanFromOnnx(path, path, "fp32", one_profile(SHAPES)).require_buildable(SHAPES, CONFIG)
