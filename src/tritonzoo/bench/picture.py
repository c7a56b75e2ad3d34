"""Pictures, by matplotlib, which is an extra; what cannot be written is told before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tritonzoo.errors import BenchError

MISSING = "a plot needs matplotlib, which is not installed; pip install 'tritonzoo[bench]'"


def figure_of(width: float, height: float) -> Any:
    """An empty matplotlib figure, in inches; raises BenchError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise BenchError(MISSING) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_writable(path: Path | None, option: str) -> None:
    """Raise BenchError where a file, of figures or a picture, could not be written there."""
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise BenchError(f"{option} {path}: there is no folder {path.absolute().parent}; make it first")
    if option == "--plot":
        known = figure_of(1, 1).canvas.get_supported_filetypes()
        if path.suffix.removeprefix(".").lower() not in known:
            raise BenchError(f"{option} {path}: a picture is one of .{', .'.join(sorted(known))}")


def save(figure: Any, path: Path) -> None:
    """Write it in the format of the name's suffix; raises BenchError for one that is not written."""
    check_writable(path, "--plot")
    figure.savefig(path, dpi=150)
