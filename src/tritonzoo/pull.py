"""`tritonzoo pull`: a recipe's sources become verified local weights, its plain files go into place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tritonzoo import ledger
from tritonzoo.errors import SourceError
from tritonzoo.lock import Lock, locked_file, sha256_of
from tritonzoo.repository import VERSION, Model, Repository, onnx_name
from tritonzoo.sources import fetch


def pull(repository: Repository, model: Model, variant: str) -> tuple[Path, ...]:
    """The verified paths of one variant's sources, in the recipe's order.

    A model whose recipe lists `files` gets them in its version folder, each in one step, and a lock.

    Raises:
        SourceError: a source cannot be had, is not what the recipe pins, or lacks a file.
    """
    paths = tuple(fetch(source, repository.root) for source in model.recipe.sources_of(variant))
    for target, name in model.recipe.files.items():
        found = next((path / name for path in paths if (path / name).is_file()), None)
        if found is None:
            raise SourceError(f"{model.name}: no source of variant {variant!r} has a file {name!r}")
        place(found, model.version_folder / target)
    if model.recipe.files:
        lock_artifacts(model, variant)
    return paths


def is_current(model: Model, variant: str) -> bool:
    """Whether the model's artifacts are whole and are those of this variant of today's recipe."""
    lock = Lock.read(model.lock_path)
    return (
        not model.missing_artifacts()
        and lock.variant == variant
        and lock.recipe_sha256 == sha256_of(model.folder / "recipe.py")
    )


def is_proved(model: Model, variant: str, precision: str) -> bool:
    """Whether one precision's artifact is there, of this variant and recipe, with a proof of its bytes."""
    name = onnx_name(precision)
    locked = Lock.read(model.lock_path).files.get(f"{VERSION}/{name}")
    entry = ledger.read(model.ledger_path).get(name)
    return (
        is_current(model, variant)
        and locked is not None
        and entry is not None
        and entry.sha256 == locked.sha256
        and (model.version_folder / name).is_file()
    )


def place(source: Path, target: Path) -> None:
    """Copy `source` to `target` in one step: `target` is the old file or the whole new one, never a part."""
    staged = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(source, staged)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


def lock_artifacts(model: Model, variant: str) -> None:
    """Record what the version folder holds now."""
    Lock(
        variant=variant,
        sources=tuple(str(source) for source in model.recipe.sources_of(variant)),
        recipe_sha256=sha256_of(model.folder / "recipe.py"),
        files={
            path.relative_to(model.folder).as_posix(): locked_file(path) for path in model.present_artifacts
        },
    ).write(model.lock_path)
