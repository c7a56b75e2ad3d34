"""Pictures of a group's figures: a panel for each load, a bar for each contender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.goals import windows_of
from bench.peers.window import middle

COLOURS = {"ours": "#0b5fa5", "peer": "#b9bec4", "limit": "#3b7d23"}  # told apart in print, too


def draw(title: str, group: Mapping[str, Any], path: Path) -> None:
    """Requests a second by contender, in the order of the table; written as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    contenders = group["contenders"]
    points = group["points"]
    height = 0.9 + 0.36 * len(contenders)
    figure = Figure(figsize=(3.4 + 2.6 * len(points), height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    for panel, point in zip(panels, points, strict=True):
        windows = windows_of(group, point["clients"])
        rates = [middle(windows[one["key"]], "requests_per_s") or 0.0 for one in contenders]
        bars = panel.barh(range(len(rates)), rates, color=[COLOURS[one["role"]] for one in contenders])
        panel.bar_label(bars, labels=[number(rate) for rate in rates], padding=3, fontsize=9)
        clients = point["clients"]
        panel.set_title(f"{clients} client{'s' if clients > 1 else ''}", loc="left", fontsize=10)
        panel.set_xlim(0, 1.22 * max(rates))
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(axis="x", labelsize=8)
    panels[0].set_yticks(range(len(contenders)), [one["title"] for one in contenders], fontsize=9)
    panels[0].invert_yaxis()
    figure.suptitle(f"{title}: answers a second, more is better", x=0.01, ha="left", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"
