"""A benchmark as a table, and below it what one must know to believe it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritonzoo.bench.environment import Environment
from tritonzoo.bench.figures import Figures, Point, Window

GENERATOR_CORES = 0.2  # from here on the generator is told of: it takes processor time from the server
OTHER_CORES = 0.1  # and other programs are


def print_figures(figures: Figures, console: Console) -> None:
    """Print a row for each figure and a column for each load, then notes and the environment."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for point in figures.points:
        table.add_column(str(point.load), justify="right", no_wrap=True)
    for title, cell in _rows(figures).items():
        cells = [cell(point) for point in figures.points]
        if any(cells):
            table.add_row(title, *cells)
    console.print(_title(figures), soft_wrap=True)
    console.print(table)
    for note in notes(figures):
        console.print(note, soft_wrap=True)


def notes(figures: Figures) -> list[str]:
    """What the table does not say by itself, in rich's markup."""
    told = []
    for point in figures.points:
        if point.errors:
            first = escape(point.first_error)
            told.append(f"[red]✗[/] {point.load}: {point.errors} errors, the first: {first}")
    generator = _most(figures, lambda window: window.generator_cores)
    if generator > GENERATOR_CORES:
        told.append(
            f"[yellow]![/] the load generator itself used up to {generator:.2f} of a core: the server would "
            "answer more to clients elsewhere"
        )
    others = _most(figures, lambda window: window.other_cores or 0.0)
    if others > OTHER_CORES:
        told.append(
            f"[yellow]![/] other programs used up to {others:.2f} cores meanwhile: measure again on a quiet "
            "machine before you rely on these figures"
        )
    around = Environment(**figures.environment)
    told.append(f"[dim]{escape(str(around))}[/]")
    return told


def _most(figures: Figures, value: Callable[[Window], float]) -> float:
    return max((value(window) for point in figures.points for window in point.windows), default=0.0)


def _title(figures: Figures) -> str:
    options, inputs = figures.options, figures.inputs
    lengths = ""
    if "words" in inputs:
        lengths = f" of {inputs['words']['least']} to {inputs['words']['most']} words"
    elif "audio_s" in inputs:
        lengths = f" of {inputs['audio_s']['least']:.1f} to {inputs['audio_s']['most']:.1f} s"
    by = "" if options["generator"] == "own" else f" by {options['generator']}"
    return (
        f"{figures.pipeline} · {options['protocol']}{by} · {inputs['count']} inputs{lengths} · "
        f"median of {options['repeats']} x {options['seconds']:g} s"
    )


def _rows(figures: Figures) -> dict[str, Callable[[Point], str]]:
    """Title to cell; a row whose cells are all empty is not shown."""
    rows: dict[str, Callable[[Point], str]] = {
        "answers a second": lambda point: _number(point.throughput_per_s, "{:.1f}"),
        "  least and most": _range,
        "p50 ms": lambda point: _number(point.middle(lambda window: window.latency.p50_ms), "{:.1f}"),
        "p90 ms": lambda point: _number(point.middle(lambda window: window.latency.p90_ms), "{:.1f}"),
        "p99 ms": lambda point: _number(point.middle(lambda window: window.latency.p99_ms), "{:.1f}"),
        "errors": lambda point: f"[red]{point.errors}[/]" if point.errors else "0",
        "seconds of audio a second": lambda point: _number(
            point.middle(lambda window: window.audio_s_per_s), "{:.1f}"
        ),
    }
    judged = next((point.accuracy for point in figures.points if point.accuracy is not None), None)
    if judged is not None:
        rows[judged.measure] = lambda point: str(point.accuracy or "")
    for name in _batching(figures):
        rows[f"batch of {name}"] = partial(_batch, name)
    for name in _padded(figures):
        rows[f"padding of {name}"] = partial(_padding, name)
    rows["CPU ms an answer"] = lambda point: _number(point.middle(_cpu_ms), "{:.1f}")
    rows["memory MB"] = lambda point: _number(point.middle(_memory_mb), "{:.0f}")
    return rows


def _batching(figures: Figures) -> list[str]:
    """The members whose batches can be counted, in the order of the pipeline."""
    known = {name for point in figures.points for name in point.batch_sizes()}
    return [name for name in figures.batching if name in known]


def _padded(figures: Figures) -> list[str]:
    """The models that had to pad at all."""
    return sorted(
        {
            name
            for point in figures.points
            for window in point.windows
            for name, waste in window.padding.items()
            if waste > 0
        }
    )


def _batch(name: str, point: Point) -> str:
    return _number(point.batch_sizes().get(name), "{:.1f}")


def _padding(name: str, point: Point) -> str:
    return _number(point.middle(lambda window: window.padding.get(name)), "{:.1%}")


def _range(point: Point) -> str:
    least, most = point.throughput_range
    return f"[dim]{least:.1f}-{most:.1f}[/]" if len(point.windows) > 1 else ""


def _cpu_ms(window: Window) -> float | None:
    return None if window.cpu_s_per_request is None else 1000 * window.cpu_s_per_request


def _memory_mb(window: Window) -> float | None:
    return None if window.memory_bytes is None else window.memory_bytes / 1e6


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
