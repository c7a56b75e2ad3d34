"""The derived GPU configurations, read back with Triton's own protobuf, for every model of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import RepositoryError
from tritonzoo.gpu_profiles import (
    ONNX_PRECISIONS,
    TENSORRT_PRECISIONS,
    onnx_config,
    tensorrt_config,
    with_graph_extents,
)
from tritonzoo.recipe import Shapes
from tritonzoo.repository import Model
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, fixed_profile, one_profile

TREE = Path(__file__).parents[2] / "model_repository"
EXPORTED = sorted(
    folder.parent.name
    for folder in TREE.glob("*/config.pbtxt")
    if 'backend: "onnxruntime"' in folder.read_text()
)
KIND_GPU = model_config_pb2.ModelInstanceGroup.KIND_GPU
TEXT = {name: Shapes((1, 2), (16, 32), (128, 256)) for name in ("input_ids", "attention_mask")}
PICTURE = {"pixels": Shapes((1, 128, 128, 3), (8, 128, 128, 3), (32, 128, 128, 3))}


def parsed(text):
    return text_format.Parse(text, model_config_pb2.ModelConfig())


PIXELS = parsed(
    'backend: "onnxruntime" max_batch_size: 32'
    ' input [{ name: "pixels" data_type: TYPE_FP32 dims: [ 128, 128, 3 ] }]'
    ' output [{ name: "probabilities" data_type: TYPE_FP32 dims: [ -1 ] }]'
    " dynamic_batching {} instance_group [{ kind: KIND_CPU count: 2 }]"
    ' parameters { key: "padding" value { string_value: "x:1=0" } }'
    ' parameters { key: "gpu_mem_limit" value { string_value: "1000" } }'
)


def read_back(config):
    """Through text, as it lies on disk and as Triton reads it."""
    return parsed(text_format.MessageToString(config))


def test_the_tree_has_exported_models():
    assert EXPORTED


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("precision", TENSORRT_PRECISIONS)
@pytest.mark.parametrize("shapes_of", [one_profile, fixed_profile])
def test_tensorrt_configs_of_the_tree_parse_and_keep_the_contract(name, precision, shapes_of):
    model = Model(TREE / name)
    profiles = shapes_of(shapes_for(model))
    derived = read_back(tensorrt_config(model.config, precision, profiles))
    assert (derived.backend, derived.default_model_filename) == ("tensorrt", f"model.{precision}.plan")
    assert [(group.kind, list(group.profile)) for group in derived.instance_group] == [(KIND_GPU, ["0"])]
    assert_same_contract(derived, model.config)
    assert not derived.parameters


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("precision", ONNX_PRECISIONS)
def test_onnx_configs_of_the_tree_parse_and_keep_the_contract(name, precision):
    model = Model(TREE / name)
    derived = read_back(onnx_config(model.config, precision))
    expected = "model.onnx" if precision == "fp32" else f"model.{precision}.onnx"
    assert (derived.backend, derived.default_model_filename) == ("onnxruntime", expected)
    assert [group.kind for group in derived.instance_group] == [KIND_GPU]
    assert_same_contract(derived, model.config)
    assert not {"padding", "padding_mask"} & set(derived.parameters)


def shapes_for(model):
    """Shapes as the recipe has them, from `config.pbtxt` alone, so that unfinished recipes do not matter."""
    most = model.config.max_batch_size
    batches = ((1,), (8,), (most,)) if most else ((), (), ())  # no batch axis where the model does not batch
    return {
        tensor.name: Shapes(
            *(
                (*rows, *(extent if dim < 0 else dim for dim in tensor.dims))
                for rows, extent in zip(batches, (2, 32, 256), strict=True)
            )
        )
        for tensor in model.config.input
    }


def assert_same_contract(derived, config):
    assert [(t.name, t.data_type, list(t.dims)) for t in derived.input] == [
        (t.name, t.data_type, list(t.dims)) for t in config.input
    ]
    assert list(derived.output) == list(config.output)
    assert derived.max_batch_size == config.max_batch_size
    assert not any(tensor.allow_ragged_batch for tensor in derived.input)


def test_every_profile_of_a_plan_is_given_to_the_instance_and_warmed_up():
    config = parsed(
        'backend: "onnxruntime" max_batch_size: 128 dynamic_batching {}'
        ' input [{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },'
        ' { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }]'
    )
    derived = read_back(tensorrt_config(config, "fp16", bucket_profiles(TEXT, (32, 64, 256))))
    assert list(derived.instance_group[0].profile) == ["0", "1", "2"]
    warmups = [(w.batch_size, list(w.inputs["input_ids"].dims)) for w in derived.model_warmup]
    assert warmups == [(16, [32]), (16, [64]), (16, [256])]
    assert all(
        w.inputs["attention_mask"].data_type == model_config_pb2.TYPE_INT64 for w in derived.model_warmup
    )
    assert not derived.optimization.cuda.graphs


def test_preferred_batches_are_those_that_the_kernels_were_chosen_for():
    derived = read_back(tensorrt_config(PIXELS, "fp16", one_profile(PICTURE)))
    assert list(derived.dynamic_batching.preferred_batch_size) == [8, 32]


def test_preferred_batches_of_the_model_itself_are_kept():
    config = read_back(PIXELS)
    config.dynamic_batching.preferred_batch_size.append(4)
    derived = tensorrt_config(config, "fp16", one_profile(PICTURE))
    assert list(derived.dynamic_batching.preferred_batch_size) == [4]


def test_cuda_graphs_are_captured_where_only_the_batch_varies():
    cuda = read_back(tensorrt_config(PIXELS, "fp16", one_profile(PICTURE))).optimization.cuda
    assert cuda.graphs
    assert [(spec.batch_size, list(spec.input["pixels"].dim)) for spec in cuda.graph_spec] == [
        (1, [128, 128, 3]), (8, [128, 128, 3]), (32, [128, 128, 3]),
    ]  # fmt: skip


def test_cuda_graphs_are_left_off_where_a_length_varies_or_profiles_are_several():
    wide = {"pixels": Shapes((1, 64, 128, 3), (8, 128, 128, 3), (32, 256, 128, 3))}
    assert not tensorrt_config(PIXELS, "fp16", one_profile(wide)).optimization.cuda.graphs
    assert not tensorrt_config(PIXELS, "fp16", [PICTURE, PICTURE]).optimization.cuda.graphs


def test_an_unbatched_model_gets_no_batching_of_any_kind():
    config = parsed('backend: "onnxruntime" input [{ name: "x" data_type: TYPE_FP32 dims: [ 1, 4 ] }]')
    derived = read_back(tensorrt_config(config, "fp32", ()))
    assert not derived.HasField("dynamic_batching")
    assert not derived.model_warmup
    assert [(group.kind, list(group.profile)) for group in derived.instance_group] == [(KIND_GPU, [])]


def test_only_parameters_that_the_backend_knows_are_passed_on():
    assert set(onnx_config(PIXELS, "fp32").parameters) == {"gpu_mem_limit"}
    assert not tensorrt_config(PIXELS, "fp32", one_profile(PICTURE)).parameters


def test_dims_are_the_graph_s_which_the_native_backends_hold_them_to():
    config = parsed(
        """
        backend: "onnxruntime" max_batch_size: 8
        input  { name: "ids"       data_type: TYPE_INT64 dims: [ -1 ] }
        output { name: "embedding" data_type: TYPE_FP32  dims: [ -1 ] }
        output { name: "states"    data_type: TYPE_FP32  dims: [ -1, 384 ] }
        output { name: "unsaid"    data_type: TYPE_FP32  dims: [ -1 ] }
        """
    )
    graph = {"ids": ("batch", "tokens"), "embedding": ("batch", 384), "states": (None, "tokens", 384)}
    derived = read_back(with_graph_extents(onnx_config(config, "fp32"), graph))
    dims = {tensor.name: list(tensor.dims) for tensor in (*derived.input, *derived.output)}
    assert dims == {"ids": [-1], "embedding": [384], "states": [-1, 384], "unsaid": [-1]}


def test_without_a_batch_axis_every_extent_of_the_graph_is_one_of_the_dims():
    config = parsed(
        'backend: "onnxruntime" output { name: "state" data_type: TYPE_FP32 dims: [ -1, -1, -1 ] }'
    )
    derived = with_graph_extents(onnx_config(config, "fp32"), {"state": (2, 1, 128)})
    assert list(derived.output[0].dims) == [2, 1, 128]


def test_the_committed_configuration_is_not_changed():
    before = PIXELS.SerializeToString(deterministic=True)
    tensorrt_config(PIXELS, "fp16", one_profile(PICTURE))
    onnx_config(PIXELS, "fp16")
    assert PIXELS.SerializeToString(deterministic=True) == before


def test_a_model_that_is_not_exported_has_no_gpu_profile():
    with pytest.raises(RepositoryError, match=r"not 'labels'; serve this model from its config\.pbtxt"):
        onnx_config(parsed('backend: "labels"'), "fp32")
