"""Pull and convert many models, doing only what is missing, and say what was done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tritonzoo.errors import ConversionError, TritonZooError
from tritonzoo.progress import console, steps, working
from tritonzoo.pull import is_current, is_proved, pull
from tritonzoo.recipe import PRECISIONS
from tritonzoo.repository import Model, Repository, onnx_name, precision_of
from tritonzoo.sources import fetch

if TYPE_CHECKING:
    from tritonzoo.ledger import Entry
    from tritonzoo.tensorrt.of_model import PlanShapes


_FEW_OUTPUTS = 3  # that are worth a line each


def pull_all(names: Sequence[str], variant: str, *, force: bool) -> None:
    """Fetch the sources of the named models (none: all) and put their plain files in place.

    With `force` every source is fetched again, cached or not; one that several models share, once.
    """
    repository, fetched = Repository.find(), set[str]()
    for model in _with_recipe(repository, names):
        if _is_done(model, variant, force):
            continue
        with _about(model), working(f"{model.name}: fetching {variant}"):
            for source in model.recipe.sources_of(variant) if force else ():
                if str(source) not in fetched:
                    fetch(source, repository.root, anew=True)
                    fetched.add(str(source))
            pull(repository, model, variant)
        sources = ", ".join(str(source) for source in model.recipe.sources_of(variant))
        console.print(f"[green]✓[/] {model.name}: {sources}", soft_wrap=True)


def convert_all(names: Sequence[str], variant: str, precisions: Sequence[str], *, force: bool) -> None:
    """Export the named models (none: all that are exported), each compared with its source model.

    Of all models each gets those precisions that its recipe has a tolerance for; a model that is named must
    have one for every precision that is asked for.

    Raises:
        ConversionError: there is no such precision.
    """
    unknown = [name for name in precisions if name not in (*PRECISIONS, "qdq")]
    if unknown:
        raise ConversionError(
            f"no precision {', '.join(map(repr, unknown))}; there are: {', '.join(PRECISIONS)}, qdq"
        )
    repository = Repository.find()
    for model in _with_recipe(repository, names):
        if not model.recipe.is_exported:
            continue
        wanted = [
            name
            for name in precisions
            if names or precision_of(onnx_name(name)) in model.recipe.main_tolerance
        ]
        missing = [name for name in wanted if force or not is_proved(model, variant, name)]
        if len(wanted) < len(precisions):
            left = ", ".join(name for name in precisions if name not in wanted)
            console.print(f"[dim]  {model.name}: no tolerance for {left} in its recipe, so not made[/]")
        if not missing:
            console.print(f"[dim]✓ {model.name}: up to date ({variant}, {', '.join(wanted)})[/]")
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
    if len(entry.errors) > _FEW_OUTPUTS:
        every = entry.errors.values()
        return (
            f"{len(entry.errors)} outputs within {max(error.max_abs for error in every):.1e} of the source "
            f"model, cosine at least {min(error.min_cosine for error in every):.6f}"
            f"{_left_out(entry)}"
        )
    errors = "; ".join(
        f"{output} within {error.max_abs:.1e} of the source model over {error.rows} rows, "
        f"cosine at least {error.min_cosine:.6f}"
        for output, error in entry.errors.items()
    )
    return f"{errors}{_left_out(entry)}"


def _left_out(entry: Entry) -> str:
    return f", {len(entry.left_out)} layers left out" if entry.left_out else ""
