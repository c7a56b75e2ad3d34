"""A model that peers without a server of their own put behind one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """What to load, by which libraries.

    Attributes:
        task: one of served/models.py.
        source: what that task's function loads: a folder, or which of a package's networks.
    """

    task: str
    source: str
    title: str
    libraries: Sequence[str]
