"""What the GPU serving profiles say of a model: `gpu-onnx-<precision>` and `gpu-tensorrt-<precision>`.

Both are for the native backends of NVIDIA's Triton image. They merge requests of equal shape alone, and give
a ragged batch to the model as one flat tensor, so these profiles never ask for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import RepositoryError
from tritonzoo.repository import onnx_name
from tritonzoo.tensorrt.manifest import plan_name
from tritonzoo.tensorrt.shape_profiles import Profile

if TYPE_CHECKING:
    from google.protobuf.message import Message

Extents = Sequence[int | str | None]  # of a tensor of a graph: what is no number varies

ONNX_PRECISIONS = ("fp32", "fp16")
TENSORRT_PRECISIONS = ("fp32", "fp16", "int8", "best")
GPU_PROFILES = (
    *(f"gpu-onnx-{precision}" for precision in ONNX_PRECISIONS),
    *(f"gpu-tensorrt-{precision}" for precision in TENSORRT_PRECISIONS),
)

# What the native backends read of `parameters`; ours (padding and the like) would be noise to them.
_ONNX_PARAMETERS = frozenset(
    (
        "arena_extend_strategy",
        "cudnn_conv_algo_search",
        "do_copy_in_default_stream",
        "enable_mem_arena",
        "enable_mem_pattern",
        "execution_mode",
        "gpu_mem_limit",
        "inter_op_thread_count",
        "intra_op_thread_count",
        "memory.enable_memory_arena_shrinkage",
    )
)
_TENSORRT_PARAMETERS = frozenset(("execution_context_allocation_strategy",))


def with_graph_extents(derived: Message, extents: Mapping[str, Extents]) -> Message:
    """`derived` with each tensor's dims as the graph has them, -1 where an axis varies there.

    A config.pbtxt says -1 where variants differ, of an embedding's width, say. The native backends refuse an
    output whose dims are not exactly the graph's (`CompareDimsSupported` of onnxruntime_backend and of
    tensorrt_backend). Tensors that `extents` lacks keep theirs.
    """
    for tensor in (*derived.input, *derived.output):
        if tensor.name in extents and not tensor.HasField("reshape"):
            sizes = [size if isinstance(size, int) else -1 for size in extents[tensor.name]]
            del tensor.dims[:]
            tensor.dims.extend(sizes[1:] if derived.max_batch_size else sizes)
    return derived


def onnx_config(config: Message, precision: str) -> Message:
    """The model on the native ONNX Runtime backend with its CUDA provider."""
    derived = _on_gpu(config, "onnxruntime", onnx_name(precision), _ONNX_PARAMETERS)
    derived.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_GPU, count=1)
    return derived


def tensorrt_config(config: Message, precision: str, profiles: Sequence[Profile]) -> Message:
    """The model on the native TensorRT backend.

    Every shape profile is given to the instance, which takes for each batch the one whose `opt` is nearest;
    one that is not named would never be used. Each is warmed up at `opt`. CUDA graphs replay one exact shape,
    so they are captured only where nothing but the batch varies and there is one profile (a graph is captured
    for every profile, and must lie within it).

    Args:
        config: the model's `config.pbtxt`.
        precision: of the plan.
        profiles: those of the plan, from its manifest.
    """
    derived = _on_gpu(config, "tensorrt", plan_name(precision), _TENSORRT_PARAMETERS)
    derived.instance_group.add(
        kind=model_config_pb2.ModelInstanceGroup.KIND_GPU,
        count=1,
        profile=[str(index) for index in range(len(profiles))],
    )
    if not derived.max_batch_size:
        return derived
    batches = _preferred_batches(profiles, derived.max_batch_size)
    if derived.HasField("dynamic_batching") and not derived.dynamic_batching.preferred_batch_size:
        derived.dynamic_batching.preferred_batch_size.extend(batches)
    if not derived.model_warmup:
        _add_warmups(derived, profiles)
    if len(profiles) == 1 and all(set(shapes.dynamic_axes) <= {0} for shapes in profiles[0].values()):
        _add_graphs(derived, profiles[0], (1, *batches))
    return derived


def _on_gpu(config: Message, backend: str, file: str, parameters: Iterable[str]) -> Message:
    if config.backend != "onnxruntime":
        raise RepositoryError(
            f"a GPU profile is derived from a model of the backend 'onnxruntime', not {config.backend!r}; "
            f"serve this model from its config.pbtxt"
        )
    derived = model_config_pb2.ModelConfig()
    derived.CopyFrom(config)
    derived.backend = backend
    derived.default_model_filename = file
    derived.ClearField("instance_group")
    for tensor in derived.input:
        tensor.allow_ragged_batch = False
    for name in set(derived.parameters) - set(parameters):
        del derived.parameters[name]
    return derived


def _preferred_batches(profiles: Sequence[Profile], max_batch_size: int) -> list[int]:
    """The batches that the kernels were chosen for, and the largest."""
    best = {shapes.opt[0] for profile in profiles for shapes in profile.values()}
    return sorted(batch for batch in best | {max_batch_size} if 1 < batch <= max_batch_size)


def _add_warmups(derived: Message, profiles: Sequence[Profile]) -> None:
    types = {tensor.name: tensor.data_type for tensor in derived.input}
    for index, profile in enumerate(profiles):
        rows = min(max(shapes.opt[0] for shapes in profile.values()), derived.max_batch_size)
        warmup = derived.model_warmup.add(name=f"profile {index} at its best shape", batch_size=rows)
        for name, shapes in sorted(profile.items()):
            warmup.inputs[name].data_type = types[name]
            warmup.inputs[name].dims.extend(shapes.opt[1:])
            warmup.inputs[name].zero_data = True


def _add_graphs(derived: Message, profile: Profile, batches: Iterable[int]) -> None:
    cuda = derived.optimization.cuda
    cuda.graphs = True
    for rows in batches:
        spec = cuda.graph_spec.add(batch_size=rows)
        for name, shapes in sorted(profile.items()):
            spec.input[name].dim.extend(shapes.opt[1:])
