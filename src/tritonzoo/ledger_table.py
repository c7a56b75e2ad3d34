"""`tritonzoo ledger`: the parity ledgers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tritonzoo import ledger
from tritonzoo.repository import Repository

COLUMNS = (
    "model", "artifact", "largest difference", "least cosine", "mean cosine", "held to", "layers left out",
    "task", "rows/s", "verdict",
)  # fmt: skip


def print_ledger(names: Sequence[str]) -> None:
    """Print a row for each proved artifact of the named models (none: all)."""
    table = Table()
    for column in COLUMNS:
        table.add_column(column)
    rows = ledger_rows(Repository.find(), names)
    for row in rows:
        table.add_row(*row)
    if rows:
        Console().print(table)
    else:
        Console().print("nothing is proved yet; `tritonzoo convert` proves what it makes")


def ledger_rows(repository: Repository, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The table's cells, in the order of COLUMNS."""
    models = [repository.model(name) for name in names] if names else list(repository.models.values())
    return [
        (
            model.name,
            artifact,
            f"{entry.needed['atol']:.2g}",
            f"{entry.needed['cosine']:.6f}",
            f"{entry.needed['mean_cosine']:.6f}",
            ", ".join(
                f"{name} {bound:g}" for name, bound in entry.tolerance.items() if isinstance(bound, float)
            ),
            str(len(entry.left_out)),
            ", ".join(f"{name} {figure:g}" for name, figure in entry.task.items()),
            f"{entry.speed.rows_per_s:.0f}" if entry.speed else "",
            entry.verdict,
        )
        for model in models
        for artifact, entry in ledger.read(model.ledger_path).items()
    ]
