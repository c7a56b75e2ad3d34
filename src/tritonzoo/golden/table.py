"""`tritonzoo golden`: record, or verify and show as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tritonzoo.client import Client
from tritonzoo.errors import RepositoryError
from tritonzoo.golden.file import NAME
from tritonzoo.golden.pipeline import has_source
from tritonzoo.golden.verify import Outcome, verify_artifacts, verify_served
from tritonzoo.progress import console, steps, working
from tritonzoo.repository import Model, Repository

COLUMNS = ("model", "artifact", "rows", "difference", "cosine", "verdict")


def record_all(names: Sequence[str]) -> None:
    """Record the golden files of the named models and pipelines (none: all that have a source)."""
    from tritonzoo.golden.record import record

    repository = Repository.find()
    for model in _chosen(repository, names):
        with steps(model.name) as on_step:
            path = record(repository, model, on_step)
        size_kb = path.stat().st_size / 1024
        console.print(f"[green]✓[/] {model.name}: {path.name}, {size_kb:.1f} kB", soft_wrap=True)


def verify_all(names: Sequence[str], url: str) -> bool:
    """Verify what is named (none: all) and print a row each; True when nothing is red.

    Artifacts are run here. Pipelines are asked of the server at `url`; without one they are left out, and
    the last line says how to have them.
    """
    repository = Repository.find()
    outcomes: list[Outcome] = []
    pipelines: list[Model] = []
    for model in _chosen(repository, names):
        if not (model.folder / NAME).is_file():
            outcomes.append(
                Outcome(model.name, "", skipped=f"no {NAME}; tritonzoo golden {model.name} --record")
            )
        elif model.has_recipe:
            with working(f"{model.name}: asking its artifacts"):
                outcomes += verify_artifacts(model)
        else:
            pipelines.append(model)
    if url and pipelines:
        with Client(url) as client, working(f"asking {url}"):
            outcomes += [verify_served(repository, pipeline, client) for pipeline in pipelines]
    _print(outcomes)
    if pipelines and not url:
        console.print(
            f"not asked, as they need a server: {', '.join(pipeline.name for pipeline in pipelines)} "
            f"(`tritonzoo serve --detach`, then `tritonzoo golden --url localhost:8001`)",
            soft_wrap=True,
        )
    return all(outcome.verdict != "red" for outcome in outcomes)


def _chosen(repository: Repository, names: Sequence[str]) -> list[Model]:
    models = [repository.model(name) for name in names] if names else list(repository.models.values())
    chosen = [model for model in models if (model.has_recipe and model.recipe.shapes) or has_source(model)]
    without = [model.name for model in models if model not in chosen]
    if names and without:
        raise RepositoryError(
            f"{', '.join(without)}: no source to compare with; an exported model has load() in its "
            f"recipe.py, a pipeline a source.py"
        )
    return chosen


def _print(outcomes: Sequence[Outcome]) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    if outcomes:
        Console().print(table)
    for outcome in outcomes:
        for colour, reason in (("red", outcome.failure), ("yellow", outcome.skipped)):
            if reason:
                where = f"{outcome.name}{f': {outcome.what}' if outcome.what else ''}"
                console.print(f"[{colour}]{outcome.verdict}[/] {where}: {reason}", soft_wrap=True)


def _row(outcome: Outcome) -> tuple[str, ...]:
    figures = ("", "", "")
    if outcome.parity is not None and outcome.parity.errors:
        needed = outcome.parity.needed
        rows = max(error.rows for error in outcome.parity.errors.values())
        figures = (str(rows), f"{needed['atol']:.2g}", f"{needed['cosine']:.6f}")
    return (outcome.name, outcome.what, *figures, outcome.verdict)
