"""`tritonzoo bench compare A B`: two saved benchmarks side by side, load by load."""

from __future__ import annotations

from collections.abc import Callable
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
        return self.second.throughput_per_s / self.first.throughput_per_s

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
    title = f"{one.pipeline}: {first.name} and {second.name}, and the second to the first"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("load", no_wrap=True)
    for column in ("answers/s", "", "ratio", "p50 ms", "", "ratio", "p99 ms", "", "ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    is_judged = any(point.accuracy for point in (*one.points, *other.points))
    for column in ("accuracy", "") if is_judged else ():
        table.add_column(column, justify="right")
    for pair in pairs(one, other):
        table.add_row(*_row(pair, is_judged=is_judged))
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


def _row(pair: Pair, *, is_judged: bool) -> list[str]:
    chance = "~" if pair.throughputs_overlap else ""
    cells = [
        str(pair.first.load),
        f"{pair.first.throughput_per_s:.1f}",
        f"{pair.second.throughput_per_s:.1f}",
        f"{chance}{pair.throughput_ratio:.2f}",
    ]
    for value in (p50_ms, p99_ms):
        numbers = (value(pair.first), value(pair.second))
        cells += ["" if number is None else f"{number:.1f}" for number in numbers]
        ratio = pair.latency_ratio(value)
        cells.append("" if ratio is None else f"{ratio:.2f}")
    if is_judged:
        cells += [str(point.accuracy or "") for point in (pair.first, pair.second)]
    return cells


def _loads(figures: Figures) -> str:
    return ", ".join(str(point.load) for point in figures.points)


def _inputs(figures: Figures) -> str:
    return f"{figures.inputs['count']} from {figures.inputs['from']}"
