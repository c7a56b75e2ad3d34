"""An answer for a person (a table) and for a program (a JSON object)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritonzoo.client.transport import Array
from tritonzoo.errors import CallError

SHOWN_NUMBERS = 4  # an array of more is shown by its beginning; --json has all
SHOWN_OF_MORE = 2
SHOWN_CHARACTERS = 60  # of a text that was sent
MOST_COLUMNS = 8  # that fit side by side


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    shown: str  # the input: a path, a text, or - for standard input
    outputs: dict[str, Array] = field(default_factory=dict)  # without the batch axis
    latency_ms: float | None = None
    error: CallError | None = None
    is_file: bool = False


def json_line(outcome: Outcome) -> str:
    """Return one JSON object: input, and outputs with latency_ms, or error with its kind.

    A tensor of one element is a scalar, as at Triton's generate endpoint; bytes that are not UTF-8 become
    {"base64": ...}; numbers that JSON does not have become null.
    """
    answer: dict[str, Any] = {"input": outcome.shown}
    if outcome.error is None:
        answer["outputs"] = {name: _plain(array) for name, array in outcome.outputs.items()}
        answer["latency_ms"] = outcome.latency_ms
    else:
        answer["error"] = outcome.error.sentence
        answer["kind"] = type(outcome.error).__name__
    return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def print_table(outcomes: Sequence[Outcome], title: str, console: Console) -> None:
    """Print inputs, answers and latencies as a table, and below it why any request failed.

    A pipeline with many outputs gets a table for each request, an output a line.
    """
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.outputs))
    if len(names) > MOST_COLUMNS:
        for outcome in outcomes:
            if outcome.error is None:
                head = f"{title}  {_clipped(outcome.shown)}  {outcome.latency_ms:.1f} ms"
                console.print(head, soft_wrap=True, style="italic")
                console.print(_upright(outcome))
    else:
        console.print(_side_by_side(outcomes, names, title))
    for outcome in outcomes:
        if outcome.error is not None:
            console.print(
                f"[red]✗[/] {_clipped(outcome.shown)}: {escape(str(outcome.error))}", soft_wrap=True
            )


def _upright(outcome: Outcome) -> Table:
    table = Table()
    table.add_column("output")
    table.add_column("answer", overflow="fold")
    for name, array in outcome.outputs.items():
        table.add_row(name, escape(_short(array)))
    return table


def _side_by_side(outcomes: Sequence[Outcome], names: Sequence[str], title: str) -> Table:
    folders = {str(Path(outcome.shown).parent) if outcome.is_file else "" for outcome in outcomes}
    folder = folders.pop() if len(folders) == 1 else ""
    table = Table(title=f"{title}  {escape(folder)}".rstrip(), title_justify="left")
    table.add_column("input", overflow="fold")
    for name in names:
        table.add_column(name, overflow="fold")
    table.add_column("ms", justify="right")
    for outcome in outcomes:
        shown = Path(outcome.shown).name if folder else outcome.shown
        if outcome.error is None:
            cells = [_short(outcome.outputs[name]) if name in outcome.outputs else "" for name in names]
            table.add_row(_clipped(shown), *map(escape, cells), f"{outcome.latency_ms:.1f}")
        else:
            table.add_row(_clipped(shown), *[""] * len(names), "[red]failed[/]")
    return table


def _plain(array: Array) -> Any:
    """Return the array as JSON has it: nested lists, or a scalar where there is one element."""
    if array.size == 1:
        return _scalar(array.reshape(-1)[0])
    if array.ndim == 1:
        return [_scalar(item) for item in array]
    return [_plain_list(row) for row in array]


def _plain_list(array: Array) -> Any:
    return [_plain_list(row) if array.ndim > 1 else _scalar(row) for row in array]


def _scalar(item: Any) -> Any:
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(item).decode()}
    if item.dtype.kind == "f":
        number = float(
            str(item)
        )  # the shortest digits that give this float32 back: 0.9, not 0.8999999761581421
        return number if math.isfinite(number) else None
    return item.item()


def _short(array: Array) -> str:
    if array.size == 0:
        return "none"
    if array.size <= SHOWN_NUMBERS:
        return ", ".join(_number_or_word(item, digits=4) for item in array.reshape(-1))
    first = ", ".join(_number_or_word(item, digits=3) for item in array.reshape(-1)[:SHOWN_OF_MORE])
    return f"{first}, ... ({' x '.join(map(str, array.shape))})"


def _number_or_word(item: Any, digits: int) -> str:
    scalar = _scalar(item)
    if isinstance(scalar, float):
        return f"{scalar:.{digits}g}"
    if isinstance(scalar, dict):
        return f"{len(item)} bytes"
    return str(scalar)


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return escape(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}...")
