"""Latency against throughput, as a picture: how much a server answers before its callers wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from tritonzoo.bench.compare import p50_ms, p99_ms
from tritonzoo.bench.figures import Figures, Point
from tritonzoo.bench.picture import figure_of, save

COLOURS = ("#0b5fa5", "#c4480e", "#3b7d23", "#7a3e9d")  # told apart in print and by the colour-blind


def plot(figures: Mapping[str, Figures], path: Path) -> None:
    """Draw each benchmark (by name) as a solid line of its p50 and a dashed one of its p99.

    Raises BenchError without matplotlib, and for a name whose suffix it does not write.
    """
    figure = figure_of(8, 5)
    from matplotlib.ticker import LogLocator

    axes = figure.add_subplot()
    for colour, (name, one) in zip(COLOURS, figures.items(), strict=False):
        points = list(one.points)
        answered = [point.throughput_per_s for point in points]
        axes.plot(
            answered, [_height(point, p50_ms) for point in points], "o-", color=colour, label=f"{name}, p50"
        )
        axes.plot(
            answered, [_height(point, p99_ms) for point in points], "^--", color=colour, label=f"{name}, p99"
        )
        for point in points:
            axes.annotate(
                str(point.load),
                (point.throughput_per_s, _height(point, p50_ms)),
                textcoords="offset points",
                xytext=(6, -11),
                fontsize=8,
                color=colour,
            )
    most = max(point.throughput_per_s for one in figures.values() for point in one.points)
    axes.set_xlim(0, 1.18 * most or 1)  # room for the last label
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("answers a second (further right is better)")
    axes.set_ylabel("milliseconds to an answer (lower is better)")
    pipelines = ", ".join(dict.fromkeys(one.pipeline for one in figures.values()))
    axes.set_title(f"{pipelines}: latency against throughput", loc="left")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(frameon=False)
    save(figure, path)


def _height(point: Point, value: Callable[[Point], float | None]) -> float:
    """NaN, which is not drawn, where nothing was answered."""
    height = value(point)
    return math.nan if height is None else height
