"""Where a plan's profiles, the graph that it is built from and `config.pbtxt` contradict one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tritonzoo.tensorrt.profile_coverage import uncovered_shape
from tritonzoo.tensorrt.shape_profiles import Profile

if TYPE_CHECKING:
    from google.protobuf.message import Message


def profile_faults(
    model: Any, profiles: Sequence[Profile], shapes: Profile, config: Message, padded_to: Sequence[int]
) -> Iterator[str]:
    """Why a plan of these profiles could not be built, or would refuse requests that are let in.

    Args:
        model: the `onnx.ModelProto` to build from.
        profiles: what the plan is to be built for.
        shapes: what requests may have, from the recipe.
        config: the parsed `config.pbtxt`.
        padded_to: the only lengths that arrive, where something before the model pads requests.
    """
    contradictions = tuple(_graph_contradictions(model, profiles, config))
    yield from contradictions or _config_contradictions(profiles, shapes, config, padded_to)


def _graph_contradictions(model: Any, profiles: Sequence[Profile], config: Message) -> Iterator[str]:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {tensor.name: tensor for tensor in model.graph.input if tensor.name not in constants}
    declared = {tensor.name for tensor in config.input}
    if set(inputs) != declared:
        yield (
            f"has the inputs {', '.join(inputs)}, but config.pbtxt declares {', '.join(sorted(declared))}; "
            f"make them agree"
        )
        return
    axes = [dim for tensor in inputs.values() for dim in tensor.type.tensor_type.shape.dim]
    varies = any(not dim.HasField("dim_value") for dim in axes)
    if varies and not profiles:
        yield "has dynamic axes and no shape profile; give each input its min, opt and max"
    if profiles and not varies:
        yield "has no dynamic axis, so that trtexec refuses to be told shapes; build it without a profile"
        return
    for index, profile in enumerate(profiles):
        for name, tensor in inputs.items():
            dims = tensor.type.tensor_type.shape.dim
            if name not in profile:
                yield f"input {name} has no shapes in profile {index}; give its min, opt and max"
            elif len(profile[name].min) != len(dims):
                yield (
                    f"input {name} has rank {len(dims)}, but rank {len(profile[name].min)} in profile "
                    f"{index}; give every axis, batch included"
                )
            else:
                yield from _static_axis_faults(name, dims, index, profile)
        unknown = sorted(profile.keys() - inputs.keys())
        if unknown:
            yield (
                f"profile {index} gives shapes for {', '.join(unknown)}, but the inputs are "
                f"{', '.join(inputs)}; remove them"
            )


def _static_axis_faults(name: str, dims: Sequence[Any], index: int, profile: Profile) -> Iterator[str]:
    for axis, dim in enumerate(dims):
        low, high = profile[name].min[axis], profile[name].max[axis]
        if dim.HasField("dim_value") and not low == dim.dim_value == high:
            yield (
                f"axis {axis} of {name} is fixed at {dim.dim_value} in the graph, but {low} to {high} in "
                f"profile {index}; export it as a dynamic axis, or say {dim.dim_value} in the recipe's shapes"
            )


def _config_contradictions(
    profiles: Sequence[Profile], shapes: Profile, config: Message, padded_to: Sequence[int]
) -> Iterator[str]:
    max_batch_size = config.max_batch_size
    if not profiles:
        if max_batch_size:
            yield (
                f"has a fixed batch, but max_batch_size is {max_batch_size} in config.pbtxt; export the "
                f"first axis as a dynamic one"
            )
        return
    most_rows = max(extents.max[0] for profile in profiles for extents in profile.values())
    if 0 < max_batch_size < most_rows:
        yield (
            f"a profile has {most_rows} rows, but max_batch_size is {max_batch_size} in config.pbtxt; memory "
            f"would be kept for batches that never come: lower the recipe's max"
        )
        return
    missing = uncovered_shape(profiles, shapes, max_batch_size, padded_to)
    if missing:
        yield (
            f"no profile takes {missing}, which config.pbtxt (max_batch_size {max_batch_size}) and the "
            f"recipe let in; widen a profile or add one"
        )
