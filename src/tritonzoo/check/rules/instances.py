"""Rules about instances, and the response cache in front of them."""

from __future__ import annotations

from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.rule import models, readable, rule


@rule(on=models)
def instance_gpu(folder: Folder) -> Iterator[Fault]:
    """A committed config.pbtxt asks for no GPU.

    A server without one would not load the model. The gpu profiles (`tritonzoo derive gpu-onnx-fp16`) say
    KIND_GPU where it holds.
    """
    for index, group in enumerate(folder.config.instance_group):
        if group.kind == group.KIND_GPU or (group.gpus and group.kind == group.KIND_AUTO):
            yield folder.fault(
                "asks for a GPU, so that no server without one can load it",
                "write kind: KIND_CPU; the gpu profiles derive the rest",
                "instance_group",
                index,
                "kind",
            )
        elif group.gpus:
            yield folder.fault(
                f"names GPUs for {group.Kind.Name(group.kind)}, which Triton refuses",
                "remove gpus",
                "instance_group",
                index,
                "gpus",
            )


@rule(on=models)
def instance_count(folder: Folder) -> Iterator[Fault]:
    """The number of instances is positive."""
    for index, group in enumerate(folder.config.instance_group):
        if group.count < 0 or (group.count == 0 and folder.text.has("instance_group", index, "count")):
            yield folder.fault(
                f"has {group.count} instances", "write 1 or more", "instance_group", index, "count"
            )


@rule(on=models)
def instance_passive(folder: Folder) -> Iterator[Fault]:
    """At least one group of instances is not passive.

    With passive ones alone Triton 2.51 loads the model, and the first request ends the whole server
    (measured).
    """
    groups = folder.config.instance_group
    if groups and all(group.passive for group in groups):
        yield folder.fault(
            "has passive instances alone, and the first request ends the server",
            "remove passive",
            "instance_group",
            0,
            "passive",
        )


@rule(on=readable)
def cache_refused(folder: Folder) -> Iterator[Fault]:
    """Decoupled and sequence models have no response cache.

    Triton refuses to load them with one.
    """
    if not folder.config.response_cache.enable:
        return
    decoupled = folder.config.model_transaction_policy.decoupled
    if decoupled or folder.config.HasField("sequence_batching"):
        yield folder.fault(
            f"Triton refuses a response cache for a {'decoupled' if decoupled else 'sequence'} model",
            "remove response_cache",
            "response_cache",
        )


@rule(on=readable, severity=Severity.WARNING)
def cache_unsafe(folder: Folder) -> Iterator[Fault]:
    """A response cache stands on ensembles of fixed shape only.

    Its key has neither the shape nor the outputs asked for, and it keeps a failed model's error as an empty
    success (measured: docs/pbtxt.md, "Response cache").
    """
    config = folder.config
    if not config.response_cache.enable or config.model_transaction_policy.decoupled:
        return
    varies = any(-1 in tensor.dims for tensor in config.input)
    if not config.HasField("sequence_batching") and (varies or not folder.is_ensemble):
        yield folder.fault(
            "the response cache answers "
            + (
                "requests of other shapes with each other's answers"
                if varies
                else "a failure with an empty success"
            ),
            "remove response_cache, and cache in front of Triton",
            "response_cache",
        )
