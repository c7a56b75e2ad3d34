"""The whole tree as the rules see it: every folder, also those that Triton would stumble over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tritonzoo.check.folder import Folder
from tritonzoo.repository import MODEL_REPOSITORIES, Model


@dataclass(frozen=True, eq=False)
class Tree:
    """A root with its model repositories and backends."""

    root: Path

    @cached_property
    def _children(self) -> tuple[Path, ...]:
        repositories = (self.root / name for name in MODEL_REPOSITORIES)
        return tuple(
            path
            for repository in repositories
            if repository.is_dir()
            for path in sorted(repository.iterdir())
            if path.is_dir()
        )

    @cached_property
    def dangling(self) -> tuple[Path, ...]:
        """Links to nothing, beside the models."""
        repositories = (self.root / name for name in MODEL_REPOSITORIES)
        return tuple(
            path
            for repository in repositories
            if repository.is_dir()
            for path in sorted(repository.iterdir())
            if path.is_symlink() and not path.exists()
        )

    @cached_property
    def locked(self) -> dict[Path, tuple[Path, ...]]:
        """Folder -> what may not be read in it; such a folder is no further looked at."""
        found = {
            path: tuple(part for part in (path, *files_in(path)) if not _is_open(part))
            for path in self._children
        }
        return {path: parts for path, parts in found.items() if parts}

    @cached_property
    def _open(self) -> tuple[Path, ...]:
        return tuple(path for path in self._children if path not in self.locked)

    @cached_property
    def folders(self) -> tuple[Folder, ...]:
        """Every model and ensemble, sorted by repository and name."""
        return tuple(Folder(Model(path), self) for path in self._open if _has_config(path))

    @cached_property
    def strays(self) -> tuple[Path, ...]:
        """Folders of the repositories that are no model."""
        return tuple(path for path in self._open if not _has_config(path))

    @cached_property
    def by_name(self) -> dict[str, Folder]:
        """Name -> folder; of two with one name the first."""
        found: dict[str, Folder] = {}
        for folder in self.folders:
            found.setdefault(folder.name, folder)
        return found

    @cached_property
    def broken_names(self) -> frozenset[str]:
        """Names of what would be a model, but for a fault that a rule of its own tells."""
        return frozenset(path.name for path in (*self.strays, *self.locked, *self.dangling))

    @cached_property
    def backends(self) -> dict[str, Path]:
        """The tree's own Python-based backends, by name."""
        return {path.parent.name: path.parent for path in sorted((self.root / "backends").glob("*/model.py"))}

    def member(self, name: str) -> Folder | None:
        """A folder that can be looked into; None where there is none, or its config does not parse."""
        folder = self.by_name.get(name)
        return folder if folder is not None and folder.is_readable else None


def files_in(folder: Path) -> Iterator[Path]:
    """What lies in a model's folder, in its version folders and in warmup/; not deeper."""
    for path in sorted(folder.iterdir()) if _is_open(folder) else ():
        yield path
        if path.is_dir() and (path.name.isdecimal() or path.name == "warmup") and _is_open(path):
            yield from sorted(path.iterdir())


def _is_open(path: Path) -> bool:
    """Whether this user may read a file, or look into a folder; a link to nothing is another fault."""
    return not path.exists() or os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0))


def _has_config(path: Path) -> bool:
    return (path / "config.pbtxt").is_file()
