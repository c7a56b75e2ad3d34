"""What a soak found, held against bounds: each row has its figure, its bound, and whether it keeps to it.

The first third is for settling: caches fill, shared memory grows to the largest request, threads start. What
follows is cut into four parts, and the median of each of the last three is held against that of the first, so
that single moments decide nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tritonzoo.soak.clients import Answered, Tally
from tritonzoo.soak.watch import Sample

SETTLING = 1 / 3  # of the time
PARTS = 4  # of what follows
MEMORY_GROWTH = 0.05
PROCESS_GROWTH_BYTES = 8 * 2**20  # of one process; and one that breathes more than this may by so much
SHM_GROWTH = 0.10  # it is never given back, and grows whenever more large requests meet than ever before
SPARE_HANDLES, SPARE_THREADS = 8, 4  # connections come and go
LATENCY_DRIFT = 1.5  # last third to first, median over pipelines
MOST_OTHER_CORES = 0.3  # beyond, latencies are not the server's
FEWEST_ANSWERS = 3  # of one request in a third, for a median


@dataclass(frozen=True)
class Check:
    """One row of the report."""

    what: str
    found: str
    bound: str
    is_kept: bool | None  # None: nothing can be said


def judge(
    samples: Sequence[Sample],
    tallies: Mapping[str, Tally],
    restarts: Mapping[str, int],
    span: tuple[float, float],
) -> list[Check]:
    """Every check of a soak that lasted over `span` (start and end, of time.perf_counter)."""
    return [
        errors(tallies, restarts),
        memory(samples, span),
        process_memory(samples, span),
        shared_memory(samples, span),
        _level(samples, span, "files in shared memory", lambda one: one.shm_files, 0),
        _level(samples, span, "open handles", lambda one: sum(one.handles.values()), SPARE_HANDLES),
        _level(samples, span, "threads", lambda one: sum(one.threads.values()), SPARE_THREADS),
        latency(samples, tallies, span),
    ]


def errors(tallies: Mapping[str, Tally], restarts: Mapping[str, int]) -> Check:
    """Anything that was not answered as it should."""
    failed = sum(tally.counts["errors"] for tally in tallies.values())
    silent = [name for name, tally in tallies.items() if not tally.answered]
    died = sum(restarts.values())
    words = [f"{failed}"]
    if died:
        words.append(f"{died} processes brought back")
    if silent:
        words.append(f"nothing answered by {', '.join(silent)}")
    return Check("errors", "; ".join(words), "0", not (failed or died or silent))


def memory(samples: Sequence[Sample], span: tuple[float, float]) -> Check:
    """Of all processes together."""
    first, *later = parts([(one.at_s, sum(one.memory_bytes.values())) for one in samples], span)
    if not first or not all(later):
        return Check("memory", "too few samples", f"{MEMORY_GROWTH:+.0%}", None)
    growth = max(later) / first - 1
    words = f"{first / 1e6:.0f} MB, then {growth:+.1%}"
    return Check("memory", words, f"{MEMORY_GROWTH:+.0%}", growth <= MEMORY_GROWTH)


def process_memory(samples: Sequence[Sample], span: tuple[float, float]) -> Check:
    """Of the process that grew most beyond its bound: a leak in a small one is lost in the sum.

    A process that works on recordings breathes by tens of megabytes. What it spans in the first part is none
    of its growth; a leak as steep as that is three times as much at the end.
    """
    bound = f"{MEMORY_GROWTH:+.0%}, {PROCESS_GROWTH_BYTES / 2**20:.0f} MiB or its breath"
    grown: dict[str, tuple[float, float, float]] = {}
    for name in {name for one in samples for name in one.memory_bytes}:
        values = [(one.at_s, one.memory_bytes.get(name, 0)) for one in samples]
        first, *later = parts(values, span)
        if first and all(later):
            allowed = max(MEMORY_GROWTH * first, PROCESS_GROWTH_BYTES, _breath(values, span))
            grown[name] = (max(later) - first, first, allowed)
    if not grown:
        return Check("memory of one process", "too few samples", bound, None)
    name = max(grown, key=lambda name: grown[name][0] - grown[name][2])
    growth, first, allowed = grown[name]
    words = f"{name}: {first / 1e6:.0f} MB, then {growth / 1e6:+.1f} of {allowed / 1e6:.1f} MB"
    return Check("memory of one process", words, bound, growth <= allowed)


def shared_memory(samples: Sequence[Sample], span: tuple[float, float]) -> Check:
    """What the server's files in /dev/shm really take."""
    first, *later = parts([(one.at_s, one.shm_bytes) for one in samples], span)
    if not first or not all(later):
        return Check("shared memory", "too few samples", f"{SHM_GROWTH:+.0%}", None)
    growth = max(later) / first - 1
    return Check(
        "shared memory",
        f"{first / 1e6:.0f} MB, then {growth:+.1%}",
        f"{SHM_GROWTH:+.0%}",
        growth <= SHM_GROWTH,
    )


def latency(samples: Sequence[Sample], tallies: Mapping[str, Tally], span: tuple[float, float]) -> Check:
    """How much slower the last third was than the first, request by request, median over the pipelines."""
    drifts = [found for tally in tallies.values() if (found := drift(tally.answered, span)) is not None]
    bound = f"x {LATENCY_DRIFT:g}"
    if not drifts:
        return Check("latency drift", "too few answers", bound, None)
    middle = statistics.median(drifts)
    words = f"x {middle:.2f} (x {min(drifts):.2f} to x {max(drifts):.2f})"
    others = other_cores(samples)
    if others > MOST_OTHER_CORES:
        return Check("latency drift", f"{words}; other programs used {others:.1f} cores", bound, None)
    return Check("latency drift", words, bound, middle <= LATENCY_DRIFT)


def drift(answered: Sequence[Answered], span: tuple[float, float]) -> float | None:
    """Median over requests of the ratio of their median times, last third to first; each with itself."""
    start_s, end_s = span
    third_s = (end_s - start_s) / 3
    early: dict[str, list[float]] = {}
    late: dict[str, list[float]] = {}
    for one in answered:
        if one.start_s < start_s + third_s:
            early.setdefault(one.asked, []).append(one.took_s)
        elif one.start_s >= end_s - third_s:
            late.setdefault(one.asked, []).append(one.took_s)
    ratios = [
        statistics.median(late[name]) / statistics.median(took)
        for name, took in early.items()
        if min(len(took), len(late.get(name, ()))) >= FEWEST_ANSWERS
    ]
    return statistics.median(ratios) if ratios else None


def other_cores(samples: Sequence[Sample]) -> float:
    """What other programs kept busy, on average."""
    if len(samples) < 2:
        return 0.0
    first, last = samples[0], samples[-1]
    return ((last.used - first.used).others_s or 0.0) / (last.at_s - first.at_s)


def parts(values: Sequence[tuple[float, float]], span: tuple[float, float]) -> list[float]:
    """The median of each part of what follows the settling; NaN is never given, 0 for a part without any."""
    return [statistics.median(part) if part else 0 for part in _cut(values, span)]


def _breath(values: Sequence[tuple[float, float]], span: tuple[float, float]) -> float:
    """From the least to the most of the first part."""
    first = _cut(values, span)[0]
    return max(first) - min(first)


def _cut(values: Sequence[tuple[float, float]], span: tuple[float, float]) -> list[list[float]]:
    """The values of each part of what follows the settling."""
    start_s, end_s = span
    settled_s = start_s + SETTLING * (end_s - start_s)
    part_s = (end_s - settled_s) / PARTS
    found: list[list[float]] = [[] for _ in range(PARTS)]
    for at_s, value in values:
        if settled_s <= at_s:
            found[min(math.floor((at_s - settled_s) / part_s), PARTS - 1)].append(value)
    return found


def _level(
    samples: Sequence[Sample],
    span: tuple[float, float],
    what: str,
    value: Callable[[Sample], float],
    spare: float,
) -> Check:
    first, *later = parts([(one.at_s, value(one)) for one in samples], span)
    bound = f"+{spare:g}" if spare else "no growth"
    if not samples or not all(later):
        return Check(what, "too few samples", bound, None)
    growth = max(later) - first
    words = f"{first:.0f}, then {growth:+.0f}"
    return Check(what, words, bound, growth <= spare)
