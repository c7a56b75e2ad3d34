"""The tree that a container serves: a mounted one, completed with the artifacts of the image.

A fresh clone holds no artifacts, and it is mounted read-only, while deriving a serving profile writes
`configs/`. So a tree of links is laid out in memory: folders are real, files are links. A model's artifacts
are the mounted tree's own where it has them whole; else the image's, provided that they were made from the
very recipe that is mounted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tritonzoo.errors import ServerError
from tritonzoo.lock import Lock, sha256_of
from tritonzoo.repository import MODEL_REPOSITORIES, VERSION, Model, Repository

BACKENDS = "backends"
MADE_HERE = frozenset(("__pycache__", "logs", "configs"))  # of a model folder: not for serving, or made anew


def lay_out(mounted: Path, built_in: Path, target: Path) -> Repository:
    """Make `target` the tree to serve, and return it.

    Args:
        mounted: a tree that was mounted into the container; without one the image's is served as it is.
        built_in: the image's tree, its artifacts in place.
        target: a folder to be made; what was there is gone.

    Raises:
        ServerError: there is no tree, or a model whose artifacts neither of the two has; lists all of them.
    """
    source = mounted if _is_tree(mounted) else built_in
    if not _is_tree(source):
        raise ServerError(
            f"no tree to serve: neither {mounted} nor {built_in} has {' and '.join(MODEL_REPOSITORIES)}; "
            f'mount them, for example -v "$PWD/model_repository:{mounted}/model_repository:ro"'
        )
    if target.exists():
        shutil.rmtree(target)
    for name in MODEL_REPOSITORIES:
        (target / name).mkdir(parents=True)
    for backend in sorted((source / BACKENDS).glob("*/model.py")):
        _link_folder(backend.parent, target / BACKENDS / backend.parent.name)
    given = Repository(built_in).models if _is_tree(built_in) else {}
    lacking = []
    for model in _readable(Repository(source)):
        folder = target / model.folder.relative_to(source)
        _link_folder(model.folder, folder)
        if model.artifacts and not _has_artifacts(model):
            twin = given.get(model.name)
            if twin is None or not _fits(twin, model):
                lacking.append(model.name)
            else:
                _link_artifacts(twin, folder)
    if lacking:
        raise ServerError(
            f"no artifacts for {', '.join(lacking)}: {source} has none, and the image was built from another "
            "recipe; build it anew (docker-compose build triton), or make them in the tree (make setup)"
        )
    return Repository(target)


def _is_tree(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in MODEL_REPOSITORIES)


def _readable(repository: Repository) -> Iterable[Model]:
    try:
        return repository.models.values()
    except PermissionError as error:
        raise ServerError(
            f"{error.filename}: the container's user may not read it; make the tree readable "
            "(chmod -R go+rX), or run as its owner: TRITON_USER=$(id -u):$(id -g)"
        ) from error


def _has_artifacts(model: Model) -> bool:
    """Whether every locked file is there, made from the recipe that lies beside it."""
    lock = Lock.read(model.lock_path)
    return lock.recipe_sha256 == sha256_of(model.folder / "recipe.py") and all(
        lock.has_file(model.folder / name, relative_to=model.folder) for name in lock.files
    )


def _fits(twin: Model, model: Model) -> bool:
    """Whether the image's artifacts were made from the recipe of the mounted model."""
    lock = Lock.read(twin.lock_path)
    return _has_artifacts(twin) and lock.recipe_sha256 == sha256_of(model.folder / "recipe.py")


def _link_folder(source: Path, target: Path) -> None:
    """Mirror a folder: folders are made, files linked."""
    target.mkdir(parents=True)
    for entry in sorted(source.iterdir()):
        if entry.name in MADE_HERE:
            continue
        if entry.is_dir():
            _link_folder(entry, target / entry.name)
        else:
            (target / entry.name).symlink_to(entry)


def _link_artifacts(twin: Model, folder: Path) -> None:
    """Give a mirrored model the artifacts, the lock and the ledger of its twin in the image."""
    wanted = [
        twin.lock_path,
        twin.ledger_path,
        *(twin.folder / name for name in Lock.read(twin.lock_path).files),
    ]
    for path in wanted:
        target = folder / path.relative_to(twin.folder)
        target.unlink(missing_ok=True)  # a half-made one of the mounted tree
        if path.is_file():
            (folder / VERSION).mkdir(exist_ok=True)
            target.symlink_to(path)
