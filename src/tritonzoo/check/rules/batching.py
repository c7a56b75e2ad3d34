"""Rules about batches, queues and sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tritonzoo.check.finding import Fault, Severity
from tritonzoo.check.folder import ONNX_BACKEND, Folder, type_name
from tritonzoo.check.rule import models, readable, rule

_FALSE_TRUE = ("int32_false_true", "fp32_false_true", "bool_false_true")
_CORRELATION_TYPES = ("TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32")
_NATIVE_RAGGED = (ONNX_BACKEND, "tensorrt")


@rule(on=readable)
def batch_size_negative(folder: Folder) -> Iterator[Fault]:
    """`max_batch_size` is 0, for no batch axis, or positive."""
    if folder.config.max_batch_size < 0:
        yield folder.fault(
            f"max_batch_size is {folder.config.max_batch_size}",
            "write 0 for no batch axis, or the most rows of one execution",
            "max_batch_size",
        )


@rule(on=models)
def dynamic_batching_unbatched(folder: Folder) -> Iterator[Fault]:
    """A model with dynamic batching has a batch axis.

    Without one, Triton loads it and merges nothing.
    """
    if folder.config.HasField("dynamic_batching") and folder.config.max_batch_size == 0:
        yield folder.fault(
            "dynamic_batching merges requests along a batch axis, and max_batch_size is 0",
            "set max_batch_size above 0 and leave the batch out of dims, or remove dynamic_batching",
            "dynamic_batching",
        )


@rule(on=models)
def preferred_batch_size(folder: Folder) -> Iterator[Fault]:
    """Preferred batch sizes lie between 1 and `max_batch_size`."""
    config = folder.config
    for path, sizes in (
        (("dynamic_batching",), config.dynamic_batching.preferred_batch_size),
        (("sequence_batching", "oldest"), config.sequence_batching.oldest.preferred_batch_size),
    ):
        for index, size in enumerate(sizes):
            if folder.batches and not 0 < size <= config.max_batch_size:
                yield folder.fault(
                    f"prefers batches of {size}, and max_batch_size is {config.max_batch_size}",
                    f"write 1 to {config.max_batch_size}, or leave preferred_batch_size out",
                    *path,
                    "preferred_batch_size",
                    index,
                )


@rule(on=models)
def priority_levels(folder: Folder) -> Iterator[Fault]:
    """Priorities lie between 1 and `priority_levels`."""
    batching = folder.config.dynamic_batching
    levels = batching.priority_levels
    if not levels:
        return
    if not 0 < batching.default_priority_level <= levels:
        yield folder.fault(
            f"default_priority_level is {batching.default_priority_level}, of {levels} levels",
            f"write 1 to {levels}",
            "dynamic_batching",
            "default_priority_level" if batching.default_priority_level else "priority_levels",
        )
    for level in sorted(batching.priority_queue_policy):
        if not 0 < level <= levels:
            yield folder.fault(
                f"has a queue policy for priority {level}, of {levels} levels",
                f"write 1 to {levels}",
                "dynamic_batching",
                "priority_queue_policy",
            )


@rule(on=models)
def preserved_order(folder: Folder) -> Iterator[Fault]:
    """`preserve_ordering` stands without priorities and without delayed requests."""
    batching = folder.config.dynamic_batching
    policies = (batching.default_queue_policy, *batching.priority_queue_policy.values())
    delays = any(
        policy.default_timeout_microseconds and policy.timeout_action == policy.DELAY for policy in policies
    )
    if batching.preserve_ordering and (batching.priority_levels > 1 or delays):
        yield folder.fault(
            "preserve_ordering contradicts " + ("timeout_action: DELAY" if delays else "priority_levels"),
            "remove one of them",
            "dynamic_batching",
            "preserve_ordering",
        )


@rule(on=models, severity=Severity.WARNING)
def queue_stall(folder: Folder) -> Iterator[Fault]:
    """A queue policy or priorities come with two instances.

    With one instance the batcher often sleeps 500 ms beside an idle model (measured: docs/pbtxt.md,
    "Priorities, queues, time-outs").
    """
    batching = folder.config.dynamic_batching
    policy = batching.default_queue_policy
    if policy.max_queue_size or policy.default_timeout_microseconds or policy.allow_timeout_override:
        what = "default_queue_policy"
    elif batching.priority_queue_policy:
        what = "priority_queue_policy"
    elif batching.priority_levels:
        what = "priority_levels"
    else:
        return
    if sum(group.count or 1 for group in folder.config.instance_group) < 2:
        yield folder.fault(
            f"{what} with one instance leaves the batcher asleep for 500 ms beside an idle model",
            "give instance_group a count of 2 or more, or bound the queue in front of Triton",
            "dynamic_batching",
            what,
        )


@rule(on=models)
def ragged_unbatched(folder: Folder) -> Iterator[Fault]:
    """`allow_ragged_batch` stands where requests are merged.

    Without `dynamic_batching`, or without a batch axis, Triton ignores it and says nothing.
    """
    scheduled = folder.config.HasField("dynamic_batching") or folder.config.HasField("sequence_batching")
    if folder.batches and scheduled:
        return
    for index, tensor in enumerate(folder.config.input):
        if tensor.allow_ragged_batch:
            why = "dynamic_batching" if folder.batches else "max_batch_size above 0"
            yield folder.fault(
                f"input {tensor.name!r} allows ragged batches, but nothing is batched without {why}",
                f"add {why}, or remove allow_ragged_batch",
                "input",
                index,
                "allow_ragged_batch",
            )


@rule(on=models)
def ragged_native(folder: Folder) -> Iterator[Fault]:
    """`allow_ragged_batch` is not committed for graphs.

    Triton's native ONNX Runtime and TensorRT backends hand a graph one flat tensor of all requests, which no
    exported graph takes. Say what pads with `parameters.padding`; the cpu profiles add the flag.
    """
    if folder.config.backend not in _NATIVE_RAGGED or folder.config.batch_input:
        return
    for index, tensor in enumerate(folder.config.input):
        if tensor.allow_ragged_batch:
            yield folder.fault(
                f"input {tensor.name!r} allows ragged batches, which Triton's native backend hands "
                "over as one flat tensor",
                'remove it and say what pads: parameters { key: "padding" ... }; cpu profiles add the flag',
                "input",
                index,
                "allow_ragged_batch",
            )


@rule(on=models)
def sequence_control(folder: Folder) -> Iterator[Fault]:
    """A sequence's control inputs are there once each, and its id is a number.

    An id of TYPE_STRING fails in every request ("unexpected number of string elements"); a model in Python
    has `request.correlation_id()`, for numbers and text alike. Triton refuses a control without a name, and
    one whose values for false and true are not two of one type.
    """
    seen: set[int] = set()
    for index, entry in enumerate(folder.config.sequence_batching.control_input):
        here = ("sequence_batching", "control_input", index)
        if not entry.name:
            yield folder.fault("control input without a name", 'give it one: name: "START"', *here)
        if not entry.control:
            yield folder.fault(
                f"control input {entry.name!r} controls nothing",
                "add control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] }]",
                *here,
            )
        for number, control in enumerate(entry.control):
            path = (*here, "control", number, "kind")
            kind = control.Kind.Name(control.kind)
            fault = _control_values(kind, control)
            if fault:
                yield folder.fault(f"{kind} {fault[0]}", fault[1], *path)
            if control.kind in seen:
                yield folder.fault(f"{kind} is asked for twice", "keep one of them", *path)
            seen.add(control.kind)
            if kind == "CONTROL_SEQUENCE_CORRID" and type_name(control.data_type) == "TYPE_STRING":
                yield folder.fault(
                    "the sequence's id as TYPE_STRING fails in every request",
                    "take TYPE_UINT64, or ask for it in Python: request.correlation_id()",
                    *path,
                )
        if entry.name in folder.inputs:
            yield folder.fault(
                f"control input {entry.name!r} is also an input",
                "rename one: callers do not send control inputs",
                "sequence_batching",
                "control_input",
                index,
                "name",
            )


def _control_values(kind: str, control: Any) -> tuple[str, str] | None:
    """What is wrong with a control's type or values, and the remedy; None where nothing is."""
    given = {name: list(getattr(control, name)) for name in _FALSE_TRUE if getattr(control, name)}
    if kind != "CONTROL_SEQUENCE_CORRID":
        if [len(values) for values in given.values()] == [2]:
            return None
        told = ", ".join(f"{name}: {values}" for name, values in given.items()) or "no values"
        return f"has {told}, and needs two of one type", "write fp32_false_true: [ 0, 1 ]"
    if given:
        return f"has {', '.join(given)}, and is no switch", "write data_type: TYPE_UINT64 alone"
    data_type = type_name(control.data_type)
    if data_type not in (*_CORRELATION_TYPES, "TYPE_STRING"):  # text has a fault of its own
        return f"is {data_type}", f"take one of {', '.join(_CORRELATION_TYPES)}"
    return None


@rule(on=models)
def sequence_slots(folder: Folder) -> Iterator[Fault]:
    """`minimum_slot_utilization` is a share: between 0 and 1."""
    share = folder.config.sequence_batching.direct.minimum_slot_utilization
    if not 0 <= share <= 1:
        yield folder.fault(
            f"minimum_slot_utilization is {share:g}",
            "write a number from 0 to 1",
            "sequence_batching",
            "direct",
            "minimum_slot_utilization",
        )


@rule(on=models)
def sequence_state(folder: Folder) -> Iterator[Fault]:
    """Sequences keep their state in the model.

    Triton 2.51 loads `state [...]` for Python models and hands over the initial value for ever (measured).
    """
    batching = folder.config.sequence_batching
    if batching.state and folder.config.backend in ("python", *folder.tree.backends):
        yield folder.fault(
            "implicit state is never updated for Python models: every request sees the initial value",
            "keep the state in the model, by request.correlation_id()",
            "sequence_batching",
            "state",
        )
