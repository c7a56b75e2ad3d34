"""`tritonzoo docs`: a page for each pipeline and the tables that name them, made of the tree.

    docs/pipelines/<pipeline>.md    of config.pbtxt, the parameters that its code reads, recipes, ledgers
    README.md, docs/README.md       the tables between their markers

They are committed, so that they can be read without installing anything; a test holds them to the tree.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from tritonzoo.lock import write_text
from tritonzoo.pages.markdown import with_marked
from tritonzoo.pages.page import FOLDER, page_of, path_of
from tritonzoo.pages.tables import callable_models, index, overview
from tritonzoo.repository import Repository

REMEDY = "tritonzoo docs"


def pages(repository: Repository) -> dict[Path, str]:
    """Path -> what it should hold, of every page that is made or has a made part.

    Raises:
        RepositoryError: README.md or docs/README.md has no markers, or a pipeline cannot be read.
    """
    made = {path_of(repository, each): page_of(repository, each) for each in callable_models(repository)}
    for path, table in (
        (repository.root / "README.md", overview),
        (repository.root / "docs" / "README.md", index),
    ):
        if path.is_file():
            made[path] = with_marked(path.read_text("utf-8"), table(repository, path), path)
    return made


def write(repository: Repository) -> list[Path]:
    """Write what is stale and remove the pages of pipelines that are gone; returns these paths."""
    changed = []
    for path, text in pages(repository).items():
        if _read(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
            changed.append(path)
    for path in _left_over(repository):
        path.unlink()
        changed.append(path)
    return changed


def differences(repository: Repository) -> str:
    """What `write` would change, as a unified diff; empty where everything is fresh."""
    wanted = {**pages(repository), **dict.fromkeys(_left_over(repository), "")}
    parts: list[str] = []
    for path, text in wanted.items():
        name = path.relative_to(repository.root).as_posix()
        before, after = _read(path).splitlines(keepends=True), text.splitlines(keepends=True)
        parts += difflib.unified_diff(before, after, f"{name} (committed)", f"{name} (of the tree)")
    return "".join(parts)


def _left_over(repository: Repository) -> list[Path]:
    names = {pipeline.name for pipeline in callable_models(repository)}
    found = sorted((repository.root / FOLDER).glob("*.md"))
    return [path for path in found if path.stem not in names]


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
