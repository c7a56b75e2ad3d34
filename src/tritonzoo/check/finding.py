"""What `check` reports: one finding for one fault, with its place and its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Severity(str, Enum):
    """`error`: it does not load, does not answer, or answers something else. `warning`: it may hurt."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Place:
    """A file of the tree, and the line and column in it where they are known; both begin at 1."""

    path: Path
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Fault:
    """What a rule has found: where, what is wrong, and how to mend it."""

    place: Place
    message: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """A fault, the rule that found it, and how much it weighs. `path` is relative to the tree's root."""

    rule: str
    severity: Severity
    path: str
    line: int | None
    column: int | None
    message: str
    remedy: str

    @property
    def position(self) -> str:
        """`path:line:column`, as far as known: editors and terminals open it."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        return f"{self.position}: {self.severity.value}[{self.rule}] {self.message}; {self.remedy}"
