"""The whole tree as the rules see it: every folder, also those that Triton would stumble over."""

from __future__ import annotations

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
            path for repository in repositories for path in sorted(repository.iterdir()) if path.is_dir()
        )

    @cached_property
    def folders(self) -> tuple[Folder, ...]:
        """Every model and ensemble, sorted by repository and name."""
        return tuple(Folder(Model(path), self) for path in self._children if _has_config(path))

    @cached_property
    def strays(self) -> tuple[Path, ...]:
        """Folders of the repositories that are no model."""
        return tuple(path for path in self._children if not _has_config(path))

    @cached_property
    def by_name(self) -> dict[str, Folder]:
        """Name -> folder; of two with one name the first."""
        found: dict[str, Folder] = {}
        for folder in self.folders:
            found.setdefault(folder.name, folder)
        return found

    @cached_property
    def backends(self) -> dict[str, Path]:
        """The tree's own Python-based backends, by name."""
        return {path.parent.name: path.parent for path in sorted((self.root / "backends").glob("*/model.py"))}

    def member(self, name: str) -> Folder | None:
        """A folder that can be looked into; None where there is none, or its config does not parse."""
        folder = self.by_name.get(name)
        return folder if folder is not None and folder.is_readable else None


def _has_config(path: Path) -> bool:
    return (path / "config.pbtxt").is_file()
