"""Progress bars for whatever takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True, highlight=False)  # progress and notices; answers go to standard output


@contextmanager
def counting(what: str, unit: str = "") -> Iterator[Progress]:
    """A bar of finished steps out of all: `task = bar.add_task(what, total=n)`, `bar.advance(task)`."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        bar.console.print(what) if not bar.console.is_terminal else None
        yield bar


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner that names the step at hand, for work of several steps of unknown length."""
    if not console.is_terminal:
        yield lambda step: console.print(f"[dim]{what}: {step} ...[/]")
        return
    with _spinner() as bar:
        task = bar.add_task(what, total=None)
        yield lambda step: bar.update(task, description=f"{what}: {step}")


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with the time gone by, for work whose length is not known."""
    if not console.is_terminal:
        console.print(f"{what} ...")
        yield
        return
    with _spinner() as bar:
        bar.add_task(what, total=None)
        yield


def _spinner() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
