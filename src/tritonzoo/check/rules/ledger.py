"""Rules about the lock, the ledger and the bytes that they vouch for; absent artifacts are yet to be made."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tritonzoo import ledger
from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.rule import models, rule, tree_rule
from tritonzoo.check.tree import Tree
from tritonzoo.errors import RepositoryError
from tritonzoo.lock import Lock, sha256_of

_DONE = {"artifacts.lock": "locked", "ledger.json": "proved"}


def built(folder: Folder) -> bool:
    """Models whose recipe loads and whose artifacts are there."""
    if not models(folder) or folder.recipe is None or folder.recipe.recipe is None:
        return False
    return bool(folder.model.present_artifacts)


def _lock(folder: Folder) -> Lock | None:
    try:
        return Lock.read(folder.model.lock_path)
    except (RepositoryError, OSError):
        return None


def _entries(folder: Folder) -> dict[str, ledger.Entry] | None:
    try:
        return ledger.read(folder.model.ledger_path)
    except (RepositoryError, OSError):
        return None


def _line_of(path: Path, key: str) -> Place:
    """Where a JSON file has a key; the file as a whole where it has not."""
    if path.is_file():
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            column = line.find(f'"{key}"')
            if column >= 0:
                return Place(path, number, column + 1)
    return Place(path)


def _remedy(folder: Folder) -> str:
    recipe = folder.recipe.recipe if folder.recipe else None
    verb = "convert" if recipe is None or recipe.is_exported else "pull"
    return f"make it again: tritonzoo {verb} {folder.name} --force"


@rule(on=models)
def lock_unreadable(folder: Folder) -> Iterator[Fault]:
    """artifacts.lock and ledger.json can be read."""
    for path, read in ((folder.model.lock_path, _lock), (folder.model.ledger_path, _entries)):
        if path.is_file() and read(folder) is None:
            yield Fault(
                Place(path, 1),
                "is not what `tritonzoo convert` of this version writes",
                f"remove it, then: tritonzoo convert {folder.name} --force",
            )


@rule(on=built)
def artifact_unlocked(folder: Folder) -> Iterator[Fault]:
    """Every artifact is in the lock.

    What is not was put there by hand, or by a conversion that was cut off.
    """
    lock = _lock(folder)
    for path in folder.model.present_artifacts if lock else ():
        name = path.relative_to(folder.path).as_posix()
        if lock is not None and name not in lock.files:
            yield Fault(Place(path), f"is not in {folder.model.lock_path.name}", _remedy(folder))


@tree_rule()
def artifact_bytes(tree: Tree) -> Iterator[Fault]:
    """Every artifact has the bytes that were locked and proved."""
    claims: list[tuple[Folder, Path, Path, str, str]] = []
    for folder in tree.folders:
        if built(folder):
            claims += _claims(folder)
    paths = sorted({path for _, path, _, _, _ in claims})
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
        digests = dict(zip(paths, pool.map(sha256_of, paths), strict=True))
    for folder, path, record, key, digest in claims:
        if digests[path] != digest:
            name = path.relative_to(folder.path).as_posix()
            done = _DONE[record.name]
            yield Fault(_line_of(record, key), f"{name} is not what was {done}: other bytes", _remedy(folder))
    for folder in filter(built, tree.folders):
        lock = _lock(folder)
        for path in folder.model.present_artifacts if lock else ():
            name = path.relative_to(folder.path).as_posix()
            locked = lock.files.get(name) if lock else None
            size = path.stat().st_size
            if locked and locked.size_bytes != size and digests[path] == locked.sha256:
                yield Fault(
                    _line_of(folder.model.lock_path, name),
                    f"{name} has {size} bytes, and {locked.size_bytes} are locked",
                    _remedy(folder),
                )


def _claims(folder: Folder) -> Iterator[tuple[Folder, Path, Path, str, str]]:
    """(folder, artifact, file that vouches for it, key in that file, digest)."""
    lock, entries = _lock(folder), _entries(folder)
    for path in folder.model.present_artifacts:
        name = path.relative_to(folder.path).as_posix()
        if lock is not None and name in lock.files:
            yield folder, path, folder.model.lock_path, name, lock.files[name].sha256
        elif entries and path.name in entries:
            yield folder, path, folder.model.ledger_path, path.name, entries[path.name].sha256


@rule(on=built)
def artifact_unproved(folder: Folder) -> Iterator[Fault]:
    """Every exported graph was compared with its source model, and agreed.

    The ledger has its entry, of the locked bytes, with a green verdict. What has none is not served.
    """
    recipe, lock, entries = folder.recipe and folder.recipe.recipe, _lock(folder), _entries(folder)
    if not recipe or not recipe.is_exported or lock is None or entries is None:
        return
    ledger_path = folder.model.ledger_path
    for path in folder.model.present_artifacts:
        locked = lock.files.get(path.relative_to(folder.path).as_posix())
        if path.name in recipe.files:
            continue  # put in place as it is
        if locked is None:
            continue  # told by artifact-unlocked
        entry = entries.get(path.name)
        if entry is None:
            yield Fault(
                Place(path), "was never compared with its source: it is not in ledger.json", _remedy(folder)
            )
        elif entry.sha256 != locked.sha256:
            yield Fault(
                _line_of(ledger_path, path.name),
                f"{path.name} was proved with other bytes than artifacts.lock says",
                _remedy(folder),
            )
        elif entry.verdict != "green":
            yield Fault(_line_of(ledger_path, path.name), f"{path.name} is {entry.verdict}", _remedy(folder))


@rule(on=built, severity=Severity.WARNING)
def artifact_stale(folder: Folder) -> Iterator[Fault]:
    """The artifacts were made by today's recipe, of the weights that it pins today."""
    recipe, lock = folder.recipe.recipe if folder.recipe else None, _lock(folder)
    if recipe is None or lock is None or not lock.recipe_sha256:
        return
    if lock.recipe_sha256 != sha256_of(folder.path / "recipe.py"):
        changed, key = "recipe.py has changed", "recipe_sha256"
    elif not lock.has_sources_of(recipe):
        changed, key = "the pins of its weights have changed", "sources"
    else:
        return
    yield Fault(
        _line_of(folder.model.lock_path, key),
        f"{changed} since the artifacts were made",
        "make them again: tritonzoo pull && tritonzoo convert",
    )
