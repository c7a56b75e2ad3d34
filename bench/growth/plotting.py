"""Numbers and figures as docs/growth.md shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Draw = Callable[[Any, list[dict[str, Any]]], None]


def save(draw: Draw, rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """One section as a picture."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure, rows)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    for axes in figure.axes:
        axes.grid(visible=True, alpha=0.25)
    figure.savefig(path, dpi=110)


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
