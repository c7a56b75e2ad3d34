"""`tritonzoo ledger --into PAGE`: the ledgers as tables of a page, between two markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tritonzoo import ledger
from tritonzoo.errors import RepositoryError
from tritonzoo.lock import Lock, write_text
from tritonzoo.repository import ONLY, VERSION, Model, onnx_name

BEGIN, END = "<!-- ledger: generated, see the text above -->", "<!-- end of ledger -->"
HEADER = (
    "artifact", "size", "held to", "largest difference", "least cosine", "mean cosine", "layers left out",
    "task", "speed",
)  # fmt: skip
_BLOCK = re.compile(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", re.DOTALL)


def write_into(page: Path, models: Iterable[Model]) -> None:
    """Replace what is between the page's markers by the tables of these models.

    Raises:
        RepositoryError: the page has no markers, or nothing is proved yet.
    """
    tables = [text for model in models if (text := table(model))]
    if not tables:
        raise RepositoryError("nothing is proved yet; `tritonzoo convert` proves what it makes")
    text = page.read_text("utf-8") if page.is_file() else ""
    block(text, page)
    joined = "\n".join(tables)
    write_text(page, _BLOCK.sub(lambda _: f"{BEGIN}\n\n{joined}\n{END}", text))


def block(text: str, page: Path) -> str:
    """What is between the markers of a page."""
    found = _BLOCK.search(text)
    if found is None:
        raise RepositoryError(f"{page}: has no lines {BEGIN!r} and {END!r}; put them where the tables belong")
    return found[1]


def table(model: Model) -> str:
    """One model's ledger: a heading, a table, and where its speeds were measured; empty if there is none."""
    entries = ledger.read(model.ledger_path)
    if not entries:
        return ""
    lock = Lock.read(model.lock_path)
    names = in_order(entries)
    lines = [f"**`{model.name}`**, {lock.variant}: {', '.join(lock.sources)}", "", _row(HEADER), _rule()]
    lines += [_row(_cells(name, entries, lock)) for name in names]
    return "\n".join([*lines, "", _measured(entries, names), ""])


def held_to(bounds: Mapping[str, float]) -> str:
    """A tolerance's bounds as a cell: `atol 1e-05, cosine 0.99999`."""
    return ", ".join(f"{name} {bound:g}" for name, bound in bounds.items())


def in_order(artifacts: Iterable[str]) -> list[str]:
    """From the plain graph to the one that is furthest from it."""
    kinds = ("", "fused", "fp16", "int8", "qdq")

    def place(name: str) -> tuple[bool, str, int]:
        graph, _, kind = name.removesuffix(".onnx").partition(".")
        return graph != ONLY, graph, kinds.index(kind) if kind in kinds else len(kinds)

    return sorted(artifacts, key=place)


def _cells(name: str, entries: Mapping[str, ledger.Entry], lock: Lock) -> tuple[str, ...]:
    entry, plain = entries[name], entries.get(onnx_name("fp32", name.partition(".")[0]))
    locked = lock.files.get(f"{VERSION}/{name}")
    ratio = ""
    if entry.speed and plain and plain.speed:
        ratio = f"{entry.speed.rows_per_s / plain.speed.rows_per_s:.2f}"
    rows = next(iter(entry.errors.values())).rows
    bounds = {key: bound for key, bound in entry.tolerance.items() if isinstance(bound, float)}
    return (
        f"`{name}`",
        f"{locked.size_bytes / 1e6:.3g} MB" if locked else "",
        held_to(bounds),
        f"{entry.needed['atol']:.2g} over {rows} rows",
        f"{entry.needed['cosine']:.6f}",
        f"{entry.needed['mean_cosine']:.6f}",
        f"{len(entry.left_out)}",
        ", ".join(f"{unit} {figure:g}" for unit, figure in entry.task.items()),
        ratio,
    )


def _measured(entries: Mapping[str, ledger.Entry], names: Iterable[str]) -> str:
    timed = [entries[name] for name in names if entries[name].speed]
    if not timed or timed[0].speed is None:
        return "Not timed."
    speed, dates = timed[0].speed, sorted({entry.date for entry in entries.values()})
    return (
        f"Speed beside the float32 graph in the same run, at {speed.extents}, on {speed.processor}, "
        f"{speed.threads} threads; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}."
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule() -> str:
    return f"|{'---|' * len(HEADER)}"
