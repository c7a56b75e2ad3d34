"""A soak as a person reads it: what was asked, what grew, and whether it may."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritonzoo.soak.figures import SoakFigures

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}


def print_soak(found: SoakFigures, console: Console) -> None:
    """Print all of it."""
    options = found.options
    load = f"{options['minutes']:g} minutes · {options['clients']} clients each"
    console.print(f"{len(found.pipelines)} pipelines · {load}", soft_wrap=True)
    console.print(_pipelines(found))
    console.print(_checks(found))
    for name, one in found.pipelines.items():
        for words in one.first_errors[:3]:
            console.print(f"[red]✗[/] {name}: {escape(words)}", soft_wrap=True)
    console.print(f"[dim]{escape(found.environment)}[/]", soft_wrap=True)


def _pipelines(found: SoakFigures) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # fits 80 columns, as a log has
    table.add_column("", overflow="fold")
    for column in ("answered", "refused", "left", "errors", "p50 ms", "p99 ms", "drift"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in found.pipelines.items():
        table.add_row(
            name,
            f"{one.answered}",
            f"{one.refused}",
            f"{one.left}",
            f"[red]{one.errors}[/]" if one.errors else "0",
            f"{one.p50_ms:.0f}",
            f"{one.p99_ms:.0f}",
            "" if one.drift is None else f"{one.drift:.2f}",
        )
    return table


def _checks(found: SoakFigures) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "after the first third", "found", "bound"):
        table.add_column(column, overflow="fold")
    for check in found.checks:
        table.add_row(MARKS[check.is_kept], check.what, check.found, check.bound)
    return table
