"""What a soak is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from tritonzoo.errors import BenchError

LEAST_MINUTES = 0.5  # below, a third has too few samples to say anything


@dataclass(frozen=True)
class SoakOptions:
    """One soak of a whole tree."""

    minutes: float = 3.0
    clients: int = 4  # of each pipeline, half of them over gRPC, half over HTTP
    bad: float = 0.05  # share of requests that are wrong and must be refused
    leaving: float = 0.05  # share of requests whose caller leaves before the answer
    timeout_s: float = 120.0  # for one answer
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.minutes >= LEAST_MINUTES:
            raise BenchError(f"--minutes {self.minutes:g}: give {LEAST_MINUTES} or more")
        if self.clients < 1:
            raise BenchError(f"--clients {self.clients}: give 1 or more for each pipeline")
