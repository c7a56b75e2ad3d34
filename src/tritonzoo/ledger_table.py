"""`tritonzoo ledger`: the parity ledgers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tritonzoo import ledger
from tritonzoo.ledger_markdown import held_to, in_order, write_into
from tritonzoo.progress import console
from tritonzoo.repository import Model, Repository

COLUMNS = (
    "model", "artifact", "largest difference", "least cosine", "mean cosine", "held to", "layers left out",
    "task", "rows/s", "verdict",
)  # fmt: skip
# What is printed side by side, so that a terminal of 80 columns holds it: heading -> column.
SHORT = {
    "artifact": "artifact",
    "max diff": "largest difference",
    "min cos": "least cosine",
    "mean cos": "mean cosine",
    "left out": "layers left out",
    "rows/s": "rows/s",
    "verdict": "verdict",
}


def print_ledger(names: Sequence[str]) -> None:
    """Print a table for each of the named models (none: all), and under it what does not fit into one."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ledger_rows(Repository.find(), names)]
    out = Console(highlight=False)
    if not rows:
        out.print("nothing is proved yet; `tritonzoo convert` proves what it makes")
    for model in dict.fromkeys(row["model"] for row in rows):
        table = Table(title=model, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1))
        for heading in SHORT:
            table.add_column(heading, no_wrap=True)
        for row in (own := [row for row in rows if row["model"] == model]):
            table.add_row(*(row[column] for column in SHORT.values()))
        out.print(table)
        for row in own:
            told = "; ".join(filter(None, (f"held to {row['held to']}", row["task"])))
            out.print(f"{row['artifact']}: {told}", style="dim", soft_wrap=True)


def write_ledger(names: Sequence[str], page: Path) -> None:
    """Write the ledgers of the named models (none: all) into a page."""
    write_into(page, _chosen(Repository.find(), names))
    console.print(f"[green]✓[/] {page}", soft_wrap=True)


def ledger_rows(repository: Repository, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The table's cells, in the order of COLUMNS."""
    return [
        (
            model.name,
            artifact,
            f"{entry.needed['atol']:.2g}",
            f"{entry.needed['cosine']:.6f}",
            f"{entry.needed['mean_cosine']:.6f}",
            held_to({name: bound for name, bound in entry.tolerance.items() if isinstance(bound, float)}),
            str(len(entry.left_out)),
            ", ".join(f"{name} {figure:g}" for name, figure in entry.task.items()),
            f"{entry.speed.rows_per_s:.0f}" if entry.speed else "",
            entry.verdict,
        )
        for model in _chosen(repository, names)
        for entries in [ledger.read(model.ledger_path)]
        for artifact, entry in ((name, entries[name]) for name in in_order(entries))
    ]


def _chosen(repository: Repository, names: Sequence[str]) -> list[Model]:
    return [repository.model(name) for name in names] if names else list(repository.models.values())
