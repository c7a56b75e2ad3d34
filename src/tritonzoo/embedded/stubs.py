"""The Python processes below a server: which serve which model, and which have died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tritonzoo.repository import Model
from tritonzoo.runtime import proc
from tritonzoo.runtime.siblings import INSTANCE_ARGUMENT, STUB_NAME

SHM_ARGUMENT = 2


@dataclass(frozen=True)
class Stub:
    """One Python process, serving one instance of a model."""

    pid: int
    start_ticks: int
    instance: str  # "sentiment_0_0": group, then number in the group
    model: str
    shm_name: str

    @property
    def is_alive(self) -> bool:
        return proc.is_alive(self.pid, self.start_ticks)


def find_stubs(server_pid: int, models: Sequence[Model]) -> list[Stub]:
    """The live stubs of a server."""
    groups = instance_groups(models)
    found = []
    for child in proc.children(server_pid):
        arguments = proc.command_line(child.pid)
        if len(arguments) <= INSTANCE_ARGUMENT or not arguments[0].endswith(STUB_NAME):
            continue
        instance = arguments[INSTANCE_ARGUMENT]
        model = model_of(instance, groups)
        if model is not None:
            found.append(Stub(child.pid, child.start_ticks, instance, model, arguments[SHM_ARGUMENT]))
    return found


def instance_groups(models: Sequence[Model]) -> dict[str, str]:
    """Model by the name of its instance groups: `name` in the configuration, else `<model>_<index>`."""
    groups = {}
    for model in models:
        if not model.is_ensemble:
            configured = model.config.instance_group or [None]
            for index, group in enumerate(configured):
                groups[getattr(group, "name", "") or f"{model.name}_{index}"] = model.name
    return groups


def model_of(instance: str, groups: dict[str, str]) -> str | None:
    """The model that an instance belongs to: the longest group's name that the instance's begins with."""
    matching = [name for name in groups if instance == name or instance.startswith(f"{name}_")]
    return groups[max(matching, key=len)] if matching else None
