"""`tritonzoo bench compare A B`: two saved benchmarks side by side, load by load."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tritonzoo.bench.figures import Figures, Point
from tritonzoo.errors import BenchError

# What must be alike for a ratio to say something about the server: what is shown of it, and where it stands.
SAME_ENVIRONMENT = ("processor", "cores", "flags")
SAME_OPTIONS = ("protocol", "seconds", "arrivals")


@dataclass(frozen=True)
class Pair:
    """One load under which both were measured."""

    first: Point
    second: Point

    @property
    def throughput_ratio(self) -> float:
        """Of the second to the first; above 1 the second answers more."""
        first = self.first.throughput_per_s
        return self.second.throughput_per_s / first if first else math.inf

    def latency_ratio(self, value: Callable[[Point], float | None]) -> float | None:
        """Of the second to the first; below 1 the second is quicker."""
        first, second = value(self.first), value(self.second)
        return second / first if first and second is not None else None

    @property
    def throughputs_overlap(self) -> bool:
        """Whether the repeats of one reach into those of the other: the difference may be chance."""
        (least, most), (other_least, other_most) = self.first.throughput_range, self.second.throughput_range
        return least <= other_most and other_least <= most


def pairs(first: Figures, second: Figures) -> list[Pair]:
    """The loads that both have, in the first one's order; raises BenchError where there are none."""
    found = {point.load: point for point in second.points}
    both = [Pair(point, found[point.load]) for point in first.points if point.load in found]
    if not both:
        raise BenchError(
            f"no load was measured in both: the first has {_loads(first)}, the second {_loads(second)}; "
            "measure again with the same --concurrency or --rate"
        )
    return both


def differences(first: Figures, second: Figures) -> list[str]:
    """What else differs, so that a ratio is not only the server's."""
    told = []
    if first.pipeline != second.pipeline:
        told.append(f"the pipelines differ: {first.pipeline} and {second.pipeline}")
    for name in SAME_ENVIRONMENT:
        if first.environment.get(name) != second.environment.get(name):
            told.append(f"{name}: {first.environment.get(name)} and {second.environment.get(name)}")
    for name in SAME_OPTIONS:
        if first.options.get(name) != second.options.get(name):
            told.append(f"{name}: {first.options.get(name)} and {second.options.get(name)}")
    if {**first.inputs, "from": ""} != {**second.inputs, "from": ""}:
        told.append(f"inputs: {_inputs(first)} and {_inputs(second)}")
    return told


def print_comparison(first: Path, second: Path, console: Console) -> tuple[Figures, Figures]:
    """Print both, and what their ratios are worth; the figures that were read."""
    one, other = Figures.read(first), Figures.read(second)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in (*named(first, second), "second to first"):
        table.add_column(column, justify="right", overflow="fold")
    for pair in pairs(one, other):
        table.add_row(f"[bold]{pair.first.load}[/]")
        for cells in _rows(pair):
            table.add_row(*cells)
    console.print(one.pipeline)
    console.print(table)
    if any(pair.throughputs_overlap for pair in pairs(one, other)):
        console.print("~ the repeats of one reach into those of the other: it may be chance")
    for difference in differences(one, other):
        console.print(f"[yellow]![/] not alike in {difference}", soft_wrap=True)
    return one, other


def p50_ms(point: Point) -> float | None:
    return point.middle(lambda window: window.latency.p50_ms)


def p99_ms(point: Point) -> float | None:
    return point.middle(lambda window: window.latency.p99_ms)


def named(first: Path, second: Path) -> tuple[str, str]:
    """What the two are called: their files' names, or paths where those are the same."""
    return (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))


def _rows(pair: Pair) -> Iterator[tuple[str, str, str, str]]:
    one, other = pair.first, pair.second
    chance = "~ " if pair.throughputs_overlap else ""
    yield (
        "  answers a second",
        f"{one.throughput_per_s:.1f}",
        f"{other.throughput_per_s:.1f}",
        f"{chance}{pair.throughput_ratio:.2f}",
    )
    for title, value in (("  p50 ms", p50_ms), ("  p99 ms", p99_ms)):
        cells = ["" if (ms := value(point)) is None else f"{ms:.1f}" for point in (one, other)]
        ratio = pair.latency_ratio(value)
        yield (title, cells[0], cells[1], "" if ratio is None else f"{ratio:.2f}")
    judged = one.accuracy or other.accuracy
    if judged:
        yield (f"  {judged.measure}", str(one.accuracy or ""), str(other.accuracy or ""), "")


def _loads(figures: Figures) -> str:
    return ", ".join(str(point.load) for point in figures.points)


def _inputs(figures: Figures) -> str:
    return f"{figures.inputs['count']} from {figures.inputs['from']}"
