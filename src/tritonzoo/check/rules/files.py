"""Rules about the files themselves: whether they are there, are files, and can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.rule import tree_rule
from tritonzoo.check.tree import Tree, files_in

_FILES = ("recipe.py", "labels.txt", "golden.npz", "artifacts.lock", "ledger.json")
_SUFFIXES = (".py", ".onnx", ".plan", ".json")
_POINTER, _LONGEST_POINTER = b"version https://git-lfs", 1024  # bytes


@tree_rule()
def file_locked(tree: Tree) -> Iterator[Fault]:
    """Every file of a model can be read.

    Triton runs as another user than the one who copied the files there, and fails at the first that it
    cannot open.
    """
    for parts in tree.locked.values():
        for path in parts:
            yield Fault(Place(path), "may not be read: permission denied", "chmod -R a+rX")


@tree_rule()
def link_dangling(tree: Tree) -> Iterator[Fault]:
    """Every link leads to something."""
    paths = [*tree.dangling, *(path for folder in tree.folders for path in files_in(folder.path))]
    for path in paths:
        if path.is_symlink() and not path.exists():
            yield Fault(
                Place(path),
                f"is a link to {path.readlink()}, which is not there",
                "correct the link, or put the file in its place",
            )


@tree_rule()
def file_misplaced(tree: Tree) -> Iterator[Fault]:
    """What is read as a file is one, and no folder of that name."""
    for folder in tree.folders:
        for path in files_in(folder.path):
            if path.is_dir() and (path.name in _FILES or path.suffix in _SUFFIXES):
                yield Fault(Place(path), "is a folder, and a file is looked for", "put the file in its place")


@tree_rule()
def file_not_fetched(tree: Tree) -> Iterator[Fault]:
    """No file is a pointer of Git LFS.

    A clone without `git lfs` has a text of three lines in the place of each large file.
    """
    for folder in tree.folders:
        for path in files_in(folder.path):
            if path.is_file() and path.name != "config.pbtxt" and _begins(path).startswith(_POINTER):
                yield Fault(Place(path, 1), "is a Git LFS pointer, not the file", "git lfs pull")


@tree_rule()
def json_broken(tree: Tree) -> Iterator[Fault]:
    """A JSON file of a version folder, such as tokenizer.json, is whole."""
    for folder in tree.folders:
        version = folder.model.version_folder
        for path in sorted(version.glob("*.json")) if version.is_dir() else ():
            if not path.is_file() or _begins(path).startswith(_POINTER):
                continue
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
                yield Fault(Place(path, line), f"is no JSON: {error}", "fetch or make it again")


def _begins(path: Path) -> bytes:
    if path.stat().st_size > _LONGEST_POINTER:
        return b""
    return path.read_bytes()
