"""The steps of an ensemble, and which of them writes and reads which of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tritonzoo.check.folder import Folder
from tritonzoo.check.pbtxt import Key
from tritonzoo.check.pbtxt import Step as PathStep


@dataclass(frozen=True)
class EnsembleStep:
    """One step and the member that it runs."""

    ensemble: Folder
    index: int
    member: Folder | None  # None: no such model, or one that cannot be read

    @property
    def message(self) -> Any:
        return self.ensemble.config.ensemble_scheduling.step[self.index]

    @property
    def model_name(self) -> str:
        return str(self.message.model_name)

    def path(self, *rest: PathStep) -> tuple[PathStep, ...]:
        """The path of one of the step's fields in the ensemble's config.pbtxt."""
        return ("ensemble_scheduling", "step", self.index, *rest)

    def reads(self) -> Iterator[Link]:
        """A link for each entry of the input map."""
        for theirs, ours in sorted(self.message.input_map.items()):
            tensor = self.member.inputs.get(theirs) if self.member else None
            yield Link(self, "input_map", theirs, ours, tensor)

    def writes(self) -> Iterator[Link]:
        """A link for each entry of the output map."""
        for theirs, ours in sorted(self.message.output_map.items()):
            tensor = self.member.outputs.get(theirs) if self.member else None
            yield Link(self, "output_map", theirs, ours, tensor)


@dataclass(frozen=True)
class Link:
    """An entry of a map: the member's name of a tensor, and the ensemble's."""

    step: EnsembleStep
    map_name: str
    theirs: str
    ours: str
    tensor: Any  # as the member declares it; None where that cannot be told

    @property
    def path(self) -> tuple[PathStep, ...]:
        return self.step.path(self.map_name, Key(self.theirs))

    @property
    def value_path(self) -> tuple[PathStep, ...]:
        return (*self.path, "value")


@dataclass(frozen=True)
class Shape:
    """A tensor as one model declares it, and how to name that model to a person."""

    owner: Folder
    tensor: Any
    what: str  # "output 'y' of double"

    @property
    def dims(self) -> tuple[int, ...]:
        return tuple(self._declared)

    @property
    def full_dims(self) -> tuple[int, ...]:
        return (*((-1,) if self.owner.batches else ()), *self._declared)

    @property
    def _declared(self) -> Any:
        """What meets the other end: of the ensemble itself the reshaped dims, of a member those of callers.

        So does Triton 2.51 (measured).
        """
        is_reshaped = self.what.startswith("the ensemble's") and self.tensor.HasField("reshape")
        return self.tensor.reshape.shape if is_reshaped else self.tensor.dims


def steps_of(ensemble: Folder) -> tuple[EnsembleStep, ...]:
    """The steps in the order of the config."""
    return tuple(
        EnsembleStep(ensemble, index, ensemble.tree.member(step.model_name))
        for index, step in enumerate(ensemble.config.ensemble_scheduling.step)
    )


def sources_of(ensemble: Folder) -> dict[str, Shape | None]:
    """Each tensor of an ensemble and what it is where it comes from; None where that cannot be told."""
    found: dict[str, Shape | None] = {
        name: Shape(ensemble, tensor, f"the ensemble's input {name!r}")
        for name, tensor in ensemble.inputs.items()
    }
    for step in steps_of(ensemble):
        for link in step.writes():
            shape = None
            if link.tensor is not None and step.member is not None:
                shape = Shape(step.member, link.tensor, f"output {link.theirs!r} of {step.model_name}")
            found.setdefault(link.ours, shape)
    return found


def runnable_steps(ensemble: Folder) -> tuple[EnsembleStep, ...]:
    """The steps in an order in which each one's inputs are there; those that can never run are left out."""
    there, waiting, ordered = set(ensemble.inputs), list(steps_of(ensemble)), []
    while ready := [step for step in waiting if {link.ours for link in step.reads()} <= there]:
        for step in ready:
            waiting.remove(step)
            ordered.append(step)
            there |= {link.ours for link in step.writes()}
    return tuple(ordered)
