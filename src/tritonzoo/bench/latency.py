"""Percentiles and medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """What a request took, in milliseconds; NaN where nothing was answered."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latency:
        """Of the latencies of single requests, in any order."""
        ms = sorted(1000 * value for value in seconds)
        if not ms:
            return cls(*[math.nan] * 5)
        return cls(statistics.fmean(ms), *(percentile(ms, share) for share in (50, 90, 99, 100)))


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank: one that was measured)."""
    if not ascending:
        raise ValueError("no values, so no percentile")
    rank = math.ceil(percent / 100 * len(ascending))
    return ascending[max(rank, 1) - 1]


def median(values: Iterable[float | None]) -> float | None:
    """Of those that are there, None where none is."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return statistics.median(known) if known else None
