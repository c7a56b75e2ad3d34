"""`tritonzoo pull`: a recipe's sources become verified local weights, its plain files go into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritonzoo import ledger
from tritonzoo.errors import SourceError
from tritonzoo.lock import Lock, locked_file, names_of, pins_sha256_of, sha256_of
from tritonzoo.repository import VERSION, Model, Repository, onnx_name
from tritonzoo.sources import fetch


def pull(repository: Repository, model: Model, variant: str) -> tuple[Path, ...]:
    """The verified paths of one variant's sources, in the recipe's order.

    A model that is nothing but `files` gets them in its version folder, each in one step, and a lock; files
    that lie beside graphs come with these (`tritonzoo convert`), so that the two are of one variant.

    Raises:
        SourceError: a source cannot be had, is not what the recipe pins, or lacks a file.
    """
    paths = tuple(fetch(source, repository.root) for source in model.recipe.sources_of(variant))
    found = files_of(model, paths)
    if not model.recipe.is_exported:
        for target, source in found.items():
            place(source, target)
        lock_artifacts(model, variant)
    return paths


def files_of(model: Model, sources: Sequence[Path]) -> dict[Path, Path]:
    """Where each of the recipe's `files` belongs, and the file of the fetched sources that goes there.

    Raises:
        SourceError: no source has such a file.
    """
    files = {}
    for target, name in model.recipe.files.items():
        found = next((path / name for path in sources if (path / name).is_file()), None)
        if found is None:
            raise SourceError(f"{model.name}: no source has a file {name!r}, which the recipe lists")
        files[model.version_folder / target] = found
    return files


def is_current(model: Model, variant: str) -> bool:
    """Whether the model's artifacts are whole and are those of this variant of today's recipe and weights."""
    lock = Lock.read(model.lock_path)
    return (
        not model.missing_artifacts()
        and lock.variant == variant
        and lock.recipe_sha256 == sha256_of(model.folder / "recipe.py")
        and lock.has_sources_of(model.recipe)
    )


def is_proved(model: Model, variant: str, precision: str) -> bool:
    """Whether one precision's graphs are there, of this variant and recipe, with a proof of their bytes."""
    locked, entries = Lock.read(model.lock_path).files, ledger.read(model.ledger_path)

    def is_whole(name: str) -> bool:
        file, entry = locked.get(f"{VERSION}/{name}"), entries.get(name)
        is_proof = file is not None and entry is not None and entry.sha256 == file.sha256
        return is_proof and (model.version_folder / name).is_file()

    names = [onnx_name(precision, graph) for graph in model.graphs]
    return is_current(model, variant) and bool(names) and all(map(is_whole, names))


def place(source: Path, target: Path) -> None:
    """Copy `source` to `target` in one step: `target` is the old file or the whole new one, never a part."""
    target.parent.mkdir(exist_ok=True)  # git keeps no empty folder, nor does everybody who makes a model
    staged = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(source, staged)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


def lock_artifacts(model: Model, variant: str) -> None:
    """Record what the version folder holds now."""
    lock_of(model, variant, {path: path for path in model.present_artifacts}).write(model.lock_path)


def lock_of(model: Model, variant: str, files: Mapping[Path, Path]) -> Lock:
    """The lock of these artifacts: the place of each -> where its bytes are now."""
    sources = model.recipe.sources_of(variant)
    return Lock(
        variant=variant,
        sources=names_of(sources),
        recipe_sha256=sha256_of(model.folder / "recipe.py"),
        pins_sha256=pins_sha256_of(sources),
        files={
            place.relative_to(model.folder).as_posix(): locked_file(files[place]) for place in sorted(files)
        },
    )
