"""A soak as a picture: memory by process, shared memory, handles and threads, and latency over the time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritonzoo.bench.picture import figure_of, save
from tritonzoo.soak.judge import MEMORY_GROWTH, SETTLING, parts
from tritonzoo.soak.watch import Sample

LARGEST = 6  # processes that have a colour of their own


def plot(
    samples: Sequence[Sample], seconds: float, latencies_ms: Mapping[str, Sequence[float | None]], path: Path
) -> None:
    """Draw it; `latencies_ms` has each pipeline's p50 in equal parts of the time.

    Raises BenchError without matplotlib, and for a name whose suffix it does not write.
    """
    figure = figure_of(9, 9)
    memory, counts, latency = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 3))
    minutes = [one.at_s / 60 for one in samples]
    _memory(memory, minutes, samples, seconds)
    for label, values in {
        "open handles": [sum(one.handles.values()) for one in samples],
        "threads": [sum(one.threads.values()) for one in samples],
        "shared memory, MB": [one.shm_bytes / 1e6 for one in samples],
    }.items():
        counts.plot(minutes, values, label=label)
    counts.set_title("what must not grow after the first third (dotted)", loc="left")
    for name, values in latencies_ms.items():
        middles = [(index + 0.5) * seconds / 60 / len(values) for index in range(len(values))]
        latency.plot(middles, [math.nan if ms is None else ms for ms in values], ".-", label=name)
    latency.set_yscale("log")
    latency.set_title("p50 of the answers, ms", loc="left")
    latency.set_xlabel("minutes")
    for axes in (memory, counts, latency):
        axes.axvline(SETTLING * seconds / 60, color="black", linewidth=1, linestyle=":")
        axes.grid(visible=True, alpha=0.25)
        axes.set_xlim(0, seconds / 60)
        if axes is not latency:
            axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, path)


def _memory(axes: object, minutes: Sequence[float], samples: Sequence[Sample], seconds: float) -> None:
    """The largest processes one on the other, the rest together; the bound above them."""
    mean = {
        name: sum(one.memory_bytes.get(name, 0) for one in samples)
        for name in {name for one in samples for name in one.memory_bytes}
    }
    largest = sorted(mean, key=lambda name: -mean[name])[:LARGEST]
    rows = {name: [one.memory_bytes.get(name, 0) / 1e6 for one in samples] for name in largest}
    rows[f"{len(mean) - len(largest)} others"] = [
        sum(size for name, size in one.memory_bytes.items() if name not in largest) / 1e6 for one in samples
    ]
    axes.stackplot(minutes, *rows.values(), labels=list(rows))  # type: ignore[attr-defined]  # no stubs
    level = parts([(one.at_s, sum(one.memory_bytes.values()) / 1e6) for one in samples], (0.0, seconds))[0]
    axes.axhline(  # type: ignore[attr-defined]
        level * (1 + MEMORY_GROWTH), color="black", linewidth=1, linestyle="--",
        label=f"{MEMORY_GROWTH:+.0%} of the first part after the third",
    )  # fmt: skip
    axes.set_title("memory of the server's processes (PSS), MB", loc="left")  # type: ignore[attr-defined]
