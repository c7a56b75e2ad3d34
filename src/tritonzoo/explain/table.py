"""An explanation as a person reads it: a table of the steps, a picture of one request, advice."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritonzoo.explain.observation import Observation, Step
from tritonzoo.explain.run import Explanation
from tritonzoo.explain.timeline import timeline

COLUMNS = ("calls", "queue", "copies", "compute", "whole", "share", "batch", "alone")


def print_explanation(found: Explanation, console: Console) -> None:
    """Print all of it."""
    seen, latency = found.seen, found.window.latency
    clients = f"{seen.clients} client{'' if seen.clients == 1 else 's'}"
    console.print(
        f"{seen.pipeline} · {clients} · {seen.answers} answers · p50 {latency.p50_ms:.1f} ms, "
        f"p99 {latency.p99_ms:.1f} ms",
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    names = ["outside the server", *(step.name for step in seen.steps)]
    table.add_column("ms a request", no_wrap=True, min_width=max(map(len, names)))
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows(seen):
        table.add_row(*row)
    console.print(table)
    for line in _sums(found):
        console.print(line, soft_wrap=True)
    if found.trace is not None:
        console.print(f"\none request of {clients}, by Triton's trace")
        if not seen.is_chain:
            console.print("[dim](calls of other models from Python are not in Triton's traces)[/]")
        for text in timeline(found.trace, min(console.width, 100)):
            console.print(text, soft_wrap=True)
    console.print()
    for advice in found.advice:
        console.print(f"[yellow]→[/] {escape(advice.words)} [dim]({advice.rule})[/]", soft_wrap=True)
    if not found.advice:
        console.print("no rule finds anything to change at this load")
    console.print(f"[dim]{escape(str(found.environment))}[/]", soft_wrap=True)


def rows(seen: Observation) -> Iterator[list[str]]:
    """The cells of each line of the table."""
    for step in seen.steps:
        yield _step(seen, step)
    if seen.is_chain:
        title = "between the steps" if seen.between_ms >= 0 else "steps overlap by"
        yield _line(title, abs(seen.between_ms), seen)
    elif seen.between_ms >= 0:
        yield _line("its own code", seen.between_ms, seen)
    else:
        yield _line("steps side by side", -seen.between_ms, seen)
    if seen.outside_ms is not None:
        yield _line("outside the server", seen.outside_ms, seen)
    yield _line("[bold]a request[/]", seen.mean_ms, seen, alone_ms=seen.alone_ms)


def _step(seen: Observation, step: Step) -> list[str]:
    alone = "" if step.alone_ms is None else f"{step.alone_ms:.2f}"
    if not step.is_timed:
        return [step.name, "rounds", *[""] * 5, "", alone]
    batch = "" if step.batch is None else f"{step.batch:.1f}"
    times = (step.queue_ms, step.copies_ms, step.compute_ms, step.total_ms)
    return [
        step.name,
        f"{step.calls:.1f}",
        *(f"{ms:.2f}" for ms in times),
        f"{seen.share(step.total_ms):.0%}",
        batch,
        alone,
    ]


def _line(title: str, ms: float, seen: Observation, alone_ms: float | None = None) -> list[str]:
    alone = "" if alone_ms is None else f"{alone_ms:.2f}"
    return [title, "", "", "", "", f"{ms:.2f}", f"{seen.share(ms):.0%}", "", alone]


def _sums(found: Explanation) -> Iterator[str]:
    """The whole against its parts, and against the same work alone."""
    seen = found.seen
    if seen.server_ms is None:
        yield (
            f"{seen.pipeline} works in rounds, which Triton counts as requests: its own time is the "
            "clients', less that of its steps"
        )
    if seen.alone_ms is not None:
        alone, served = f"{seen.alone_ms:.2f} ms", f"{seen.mean_ms:.2f} ms"
        if seen.clients == 1:
            beyond_ms = seen.mean_ms - seen.alone_ms
            yield f"in one process, one at a time: {alone}; served: {served}, {beyond_ms:+.2f}"
        else:
            rate = found.window.throughput_per_s
            yield (
                f"in one process, one at a time: {alone}, {1000 / seen.alone_ms:.0f} a second; "
                f"served to {seen.clients}: {served}, {rate:.0f} a second"
            )
    else:
        yield f"not compared with the same work in one process: {found.not_alone}"
    if seen.server_cores is not None:
        others = f"; other programs {seen.other_cores:.1f}" if seen.other_cores is not None else ""
        yield f"the server kept {seen.server_cores:.1f} of {seen.cores} cores busy{others}"
