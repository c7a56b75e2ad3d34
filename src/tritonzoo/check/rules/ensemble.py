"""Rules about a pipeline's own lines and the models that it names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from tritonzoo.check.finding import Fault
from tritonzoo.check.folder import Folder
from tritonzoo.check.pbtxt import Key
from tritonzoo.check.rule import ensembles, models, readable, rule
from tritonzoo.check.steps import steps_of

CALLS = ("parameters", Key("calls"), "value")  # of a pipeline in Python
# What Triton refuses in an ensemble: nothing is executed in it.
_REFUSED = {
    "instance_group": "its members have instances",
    "optimization": "its members are what can be optimised",
    "model_warmup": "warm up its members",
}


@rule(on=ensembles)
def ensemble_platform(folder: Folder) -> Iterator[Fault]:
    """An ensemble has `platform: "ensemble"`, `ensemble_scheduling` with a step, and no backend."""
    config = folder.config
    if config.platform != "ensemble":
        yield folder.fault(
            f"has ensemble_scheduling and the platform {config.platform!r}",
            'write platform: "ensemble"',
            "platform" if config.platform else "ensemble_scheduling",
        )
    elif not config.ensemble_scheduling.step:
        yield folder.fault(
            "is an ensemble and has no step",
            "add ensemble_scheduling { step [ ... ] }",
            "ensemble_scheduling",
        )
    if config.backend:
        yield folder.fault(
            f"is an ensemble and has the backend {config.backend!r}", "remove backend", "backend"
        )


@rule(on=ensembles)
def ensemble_field_refused(folder: Folder) -> Iterator[Fault]:
    """An ensemble has no instances, no optimisation and no warm-up.

    Triton refuses to load it with any of them.
    """
    for name, remedy in _REFUSED.items():
        if folder.text.has(name):
            yield folder.fault(f"{name} is refused in an ensemble", f"remove it; {remedy}", name)


@rule(on=ensembles)
def ensemble_ragged(folder: Folder) -> Iterator[Fault]:
    """An ensemble's inputs do not set `allow_ragged_batch`.

    Triton silently ignores it there: requests are merged in the members, by the members' flags.
    """
    for index, tensor in enumerate(folder.config.input):
        if tensor.allow_ragged_batch:
            yield folder.fault(
                f"input {tensor.name!r} allows ragged batches, which Triton ignores in an ensemble",
                "remove it; set it on the member's input",
                "input",
                index,
                "allow_ragged_batch",
            )


@rule(on=ensembles)
def ensemble_step_incomplete(folder: Folder) -> Iterator[Fault]:
    """A step names a model, at least one input and at least one output."""
    for step in steps_of(folder):
        for name in ("model_name", "input_map", "output_map"):
            if not getattr(step.message, name):
                yield folder.fault(
                    f"step {step.index} has no {name}", f"add {name}", *step.path("model_name")
                )


@rule(on=ensembles)
def ensemble_unknown_model(folder: Folder) -> Iterator[Fault]:
    """Each step names a model of the tree."""
    known, broken = folder.tree.by_name, folder.tree.broken_names
    for step in steps_of(folder):
        if step.model_name and step.model_name not in known and step.model_name not in broken:
            close = difflib.get_close_matches(step.model_name, known, 1)
            yield folder.fault(
                f"no model {step.model_name!r}",
                f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}",
                *step.path("model_name"),
            )


@rule(on=ensembles)
def ensemble_model_version(folder: Folder) -> Iterator[Fault]:
    """A step's `model_version` is -1, for the latest, or a version folder of that model."""
    for step in steps_of(folder):
        version = step.message.model_version
        if step.member and version != -1 and version not in step.member.versions:
            yield folder.fault(
                f"asks for version {version} of {step.model_name}, which has "
                f"{', '.join(map(str, step.member.versions)) or 'none'}",
                "write model_version: -1 for the latest",
                *step.path("model_version"),
            )


@rule(on=readable)
def ensemble_model_cycle(folder: Folder) -> Iterator[Fault]:
    """No pipeline is a member of itself, nor of its members, by steps or by `calls`."""
    circle = _circle(folder, folder, (folder.name,))
    if circle and folder.name == min(circle):
        steps = steps_of(folder)
        step = next((step for step in steps if step.model_name == circle[1]), None)
        yield folder.fault(
            f"pipelines form a circle: {' -> '.join(circle)}",
            "take one of them out of the other",
            *(step.path("model_name") if step else CALLS),
        )


def _circle(start: Folder, folder: Folder, path: tuple[str, ...]) -> tuple[str, ...]:
    """The names on a way from `start` back to itself; empty where there is none."""
    for name in folder.model.members:
        if name == start.name:
            return (*path, name)
        member = folder.tree.member(name)
        if member is not None and name not in path:
            found = _circle(start, member, (*path, name))
            if found:
                return found
    return ()


@rule(on=models)
def ensemble_unknown_call(folder: Folder) -> Iterator[Fault]:
    """A pipeline in Python names, in its parameter `calls`, models of the tree."""
    known, broken = folder.tree.by_name, folder.tree.broken_names
    for name in folder.model.members:
        if name not in known and name not in broken:
            close = difflib.get_close_matches(name, known, 1)
            yield folder.fault(
                f"calls {name!r}, and there is no such model",
                f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}",
                *CALLS,
            )


@rule(on=ensembles)
def ensemble_batch_size(folder: Folder) -> Iterator[Fault]:
    """An ensemble takes no more rows than its members.

    Triton refuses one whose `max_batch_size` is above that of a batching member.
    """
    rows = folder.config.max_batch_size
    takes = {
        step.model_name: step.member.config.max_batch_size
        for step in steps_of(folder)
        if step.member is not None and 0 < step.member.config.max_batch_size < rows
    }
    if takes:
        told = ", ".join(f"{name} takes {most}" for name, most in takes.items())
        yield folder.fault(
            f"lets in {rows} rows, and {told}",
            f"write max_batch_size: {min(takes.values())} here, or raise it there",
            "max_batch_size",
        )
