"""The processes that serve the other Python models of the same Triton.

A stub's arguments, as Triton 2.51 starts it: program, model.py, its shared memory, two sizes, the server's
pid, the backend's folder, an offset, the instance's name, and the runtime's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from tritonzoo.runtime import proc

STUB_NAME = "triton_python_backend_stub"
INSTANCE_ARGUMENT = 8


@dataclass(frozen=True)
class Sibling:
    """One process, told from a later one with its pid by when it began."""

    pid: int
    start_ticks: int

    @property
    def is_alive(self) -> bool:
        return proc.is_alive(self.pid, self.start_ticks)


class Siblings:
    """Finds the processes of a model; asked before each call, so it remembers those that live on."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Sibling, ...]] = {}

    def of(self, model: str) -> tuple[Sibling, ...]:
        """The live processes of `model`; none where it is no Python model, or its process cannot be seen."""
        known = self._known.get(model)
        if known is None or not all(sibling.is_alive for sibling in known):
            known = self._known[model] = tuple(_found(model))
        return known


def _found(model: str) -> list[Sibling]:
    # Triton names an instance `<model>_<group>_<number>`, unless the configuration names the group itself.
    of_model = re.compile(re.escape(model) + r"_\d+_\d+")
    found = []
    for child in proc.children(os.getppid()):
        arguments = proc.command_line(child.pid)
        if (
            len(arguments) > INSTANCE_ARGUMENT
            and arguments[0].endswith(STUB_NAME)
            and of_model.fullmatch(arguments[INSTANCE_ARGUMENT])
        ):
            found.append(Sibling(child.pid, child.start_ticks))
    return found
