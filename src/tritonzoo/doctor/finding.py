"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a finding means; the value is the mark it is shown with."""

    FINE = "✓"
    NOTE = "·"  # something is not possible here that not everybody needs
    WRONG = "✗"  # serving will fail


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it.

    Attributes:
        subject: what was looked at, such as "/dev/shm".
        says: what it is.
        remedy: what to do; empty where nothing is to be done.
    """

    subject: str
    verdict: Verdict
    says: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.FINE) == bool(self.remedy):
            raise ValueError(f"{self.subject}: a finding has a remedy exactly when it is not fine")
