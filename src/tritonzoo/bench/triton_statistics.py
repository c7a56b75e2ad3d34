"""Triton's own counters of every model, as differences over a time.

In an iterative sequence each round counts as a request and, with the time since the request came, as its
duration: of such a model only executions and failures mean anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Counts:
    """What one model did."""

    requests: int = 0  # answered; rounds of an iterative sequence
    failures: int = 0
    inferences: int = 0  # rows
    executions: int = 0  # batches
    total_ns: int = 0  # from arrival to answer, over all requests
    queue_ns: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self._all(), other._all(), strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(a - b for a, b in zip(self._all(), other._all(), strict=True)))

    def _all(self) -> tuple[int, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    @property
    def batch_size(self) -> float | None:
        """Rows in a batch, on average; None where nothing ran."""
        return self.inferences / self.executions if self.executions else None


def counts(statistics: Iterable[Mapping[str, Any]]) -> dict[str, Counts]:
    """By model, from the statistics that Triton gives over gRPC (numbers as text) or HTTP."""
    found: dict[str, Counts] = {}
    for entry in statistics:
        name = str(entry["name"])
        stats = entry.get("inference_stats", {})

        def ns(duration: str, stats: Mapping[str, Any] = stats) -> int:
            return int(stats.get(duration, {}).get("ns", 0))

        one = Counts(
            requests=int(stats.get("success", {}).get("count", 0)),
            failures=int(stats.get("fail", {}).get("count", 0)),
            inferences=int(entry.get("inference_count", 0)),
            executions=int(entry.get("execution_count", 0)),
            total_ns=ns("success"),
            queue_ns=ns("queue"),
            input_ns=ns("compute_input"),
            infer_ns=ns("compute_infer"),
            output_ns=ns("compute_output"),
        )
        found[name] = found.get(name, Counts()) + one
    return found


def difference(after: Mapping[str, Counts], before: Mapping[str, Counts]) -> dict[str, Counts]:
    """What each model did between two readings; those that did nothing are left out."""
    changed = {name: now - before.get(name, Counts()) for name, now in after.items()}
    return {name: count for name, count in changed.items() if count != Counts()}
