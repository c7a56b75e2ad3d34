"""`artifacts.lock`: what a model folder holds, by digest.

The lock is written last, in one rename, so that an interrupted `pull` or `convert` is never taken for whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tritonzoo.errors import RepositoryError
from tritonzoo.recipe import Recipe, Source

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LockedFile:
    """One file as it was when it was proved."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Lock:
    """The files of one model folder, the variant and the sources that they came from."""

    variant: str = ""
    sources: tuple[str, ...] = ()
    recipe_sha256: str = ""  # of recipe.py: when it changes, the artifacts are made anew
    pins_sha256: str = ""  # of what pins the sources, wherever that is written; empty in older locks
    files: Mapping[str, LockedFile] = field(default_factory=dict)  # path inside the folder -> file

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The lock at `path`; an empty one when there is none."""
        try:
            fields = json.loads(path.read_text("utf-8"))
            files = {name: LockedFile(**entry) for name, entry in fields.pop("files").items()}
            return cls(sources=tuple(fields.pop("sources")), files=files, **fields)
        except FileNotFoundError:
            return cls()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RepositoryError(
                f"{path}: not a lock file ({error}); remove it and run `make setup`"
            ) from error

    def write(self, path: Path) -> None:
        """Replace the lock at `path` in one step."""
        write_text(path, self.to_text())

    def to_text(self) -> str:
        """The lock as it is written."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def has_sources_of(self, recipe: Recipe) -> bool:
        """Whether the recipe's weights are still pinned to those that the artifacts were made of.

        An older lock tells them by name and version alone.
        """
        if self.variant not in recipe.sources:
            return False
        sources = recipe.sources_of(self.variant)
        return self.sources == names_of(sources) and self.pins_sha256 in ("", pins_sha256_of(sources))

    def has_file(self, path: Path, *, relative_to: Path) -> bool:
        """Whether `path` is there with the locked size (digests are for `check`: they cost a full read)."""
        locked = self.files.get(path.relative_to(relative_to).as_posix())
        return locked is not None and path.is_file() and path.stat().st_size == locked.size_bytes


def names_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """What the sources are called: package and version, hub and revision, starter."""
    return tuple(str(source) for source in sources)


def pins_sha256_of(sources: Sequence[Source]) -> str:
    """The digest of all that the sources are pinned by: versions, revisions, paths and digests."""
    pins = json.dumps([asdict(source) for source in sources], sort_keys=True)
    return hashlib.sha256(pins.encode()).hexdigest()


def locked_file(path: Path) -> LockedFile:
    """The entry that describes `path` as it is now."""
    return LockedFile(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def sha256_of(*paths: Path) -> str:
    """The digest of the files' bytes, one after another, without holding them in memory."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write beside `path`, then rename: a reader sees the old text or the new one, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside `path`, then rename; what a full disk leaves of the new file is removed."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        staged.write_bytes(data)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
