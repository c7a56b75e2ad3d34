"""Pull and convert many models, doing only what is missing, and say what was done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tritonzoo.errors import TritonZooError
from tritonzoo.progress import console, steps, working
from tritonzoo.pull import is_current, is_proved, pull
from tritonzoo.repository import Model, Repository

if TYPE_CHECKING:
    from tritonzoo.ledger import Entry
    from tritonzoo.tensorrt.of_model import PlanShapes


def pull_all(names: Sequence[str], variant: str, *, force: bool) -> None:
    """Fetch the sources of the named models (none: all) and put their plain files in place."""
    repository = Repository.find()
    for model in _with_recipe(repository, names):
        if _is_done(model, variant, force):
            continue
        with _about(model), working(f"{model.name}: fetching {variant}"):
            pull(repository, model, variant)
        sources = ", ".join(str(source) for source in model.recipe.sources_of(variant))
        console.print(f"[green]✓[/] {model.name}: {sources}", soft_wrap=True)


def convert_all(names: Sequence[str], variant: str, precisions: Sequence[str], *, force: bool) -> None:
    """Export the named models (none: all that are exported), each compared with its source model."""
    repository = Repository.find()
    for model in _with_recipe(repository, names):
        missing = [name for name in precisions if force or not is_proved(model, variant, name)]
        if not model.recipe.shapes:
            continue
        if not missing:
            console.print(f"[dim]✓ {model.name}: up to date ({variant}, {', '.join(precisions)})[/]")
            continue
        with _about(model), steps(model.name) as on_step:
            from tritonzoo.convert.artifact import convert

            entries = convert(repository, model, variant, missing, on_step)
        for artifact, entry in entries.items():
            console.print(f"[green]✓[/] {model.name}: {artifact}, {_summary(entry)}", soft_wrap=True)


def plan_all(
    names: Sequence[str], variant: str, precisions: Sequence[str], shapes: PlanShapes, *, dry_run: bool
) -> None:
    """Build TensorRT plans of the named models (none: all); a dry run only prints the commands."""
    from tritonzoo.tensorrt.of_model import SOURCES, build, plan_of, precisions_of
    from tritonzoo.tensorrt.shape_profiles import wide_range

    repository = Repository.find()
    for model in _with_recipe(repository, names):
        if not model.recipe.shapes:
            continue
        for precision in precisions_of(model, precisions):
            with _about(model):
                plan = plan_of(model, precision, shapes)
                wide = wide_range(plan.profiles)
                if wide:
                    console.print(f"[yellow]![/] {model.name}: {wide}", soft_wrap=True)
                if dry_run:
                    print(shlex.join(plan.command()))  # noqa: T201  the command is what was asked for
                    continue
                from tritonzoo.convert.artifact import begin, convert

                with steps(model.name) as on_step:
                    if not is_proved(model, variant, SOURCES[precision]):
                        convert(repository, model, variant, [SOURCES[precision]], on_step)
                    manifest = build(begin(repository, model, variant, on_step), plan, on_step)
            console.print(f"[green]✓[/] {model.name}: {plan.target.name} for {manifest.gpu}", soft_wrap=True)


@contextmanager
def _about(model: Model) -> Iterator[None]:
    """Say in an error which model it is about."""
    try:
        yield
    except TritonZooError as error:
        raise type(error)(f"{model.name}: {error}") from error


def _with_recipe(repository: Repository, names: Sequence[str]) -> list[Model]:
    models = repository.closure(names) if names else tuple(repository.models.values())
    return [model for model in models if model.has_recipe]


def _is_done(model: Model, variant: str, force: bool) -> bool:
    if force or not is_current(model, variant):
        return False
    console.print(f"[dim]✓ {model.name}: up to date ({variant})[/]")
    return True


def _summary(entry: Entry) -> str:
    errors = "; ".join(
        f"{output} within {error.max_abs:.1e} of the source model over {error.rows} rows, "
        f"cosine at least {error.min_cosine:.6f}"
        for output, error in entry.errors.items()
    )
    return f"{errors}{f', {len(entry.left_out)} layers left out' if entry.left_out else ''}"
