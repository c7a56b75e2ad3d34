"""One window of time under a load: how much was answered, how soon, at what cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tritonzoo.bench.latency import Latency
from tritonzoo.bench.resources import Processor


@dataclass(frozen=True)
class Window:
    """What one contender did while it alone was loaded."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    answered: int
    cpu_ms: float | None = None  # processor time of the server's processes for each request
    generator_cores: float = 0.0  # what sending and receiving took
    other_cores: float | None = None  # and what neither it nor the server did

    @classmethod
    def of(
        cls, spans: Sequence[tuple[float, float]], start_s: float, end_s: float, used: Processor
    ) -> Window:
        """Of requests by when they were sent and answered, and the processor time used in the window.

        Raises ValueError where nothing was answered.
        """
        latency = Latency.of(done - sent for sent, done in spans if start_s <= done < end_s)
        answered = sum(start_s <= done < end_s for _, done in spans)
        if not answered:
            raise ValueError("nothing was answered in the window; make it longer")
        seconds, rate = end_s - start_s, rate_per_s(spans, start_s, end_s)
        cpu_ms = None if used.server_s is None else 1e3 * used.server_s / (rate * seconds)
        return cls(
            rate,
            latency.p50_ms,
            latency.p99_ms,
            answered,
            cpu_ms,
            used.generator_s / seconds,
            None if used.others_s is None else used.others_s / seconds,
        )


def rate_per_s(spans: Iterable[tuple[float, float]], start_s: float, end_s: float) -> float:
    """Requests a second; one that straddles an edge counts by the share of its time that lies inside.

    Counting whole answers would be wrong by a batch at either edge, where a server answers a batch at once.
    """
    inside = sum(
        max(0.0, min(done, end_s) - max(sent, start_s)) / (done - sent) for sent, done in spans if done > sent
    )
    return inside / (end_s - start_s)


@dataclass(frozen=True)
class Spread:
    """The median of a figure over the rounds, and its range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> Spread:
    """How many times theirs ours answers, round by round: each round's two windows lie side by side."""
    return Spread.of(
        [mine.requests_per_s / other.requests_per_s for mine, other in zip(ours, theirs, strict=True)]
    )


def middle(windows: Sequence[Window], field: str) -> float | None:
    """The median of one field; None where it was not measured."""
    values = [value for value in (getattr(window, field) for window in windows) if value is not None]
    return statistics.median(values) if values else None
