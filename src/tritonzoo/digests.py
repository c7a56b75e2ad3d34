"""Digests of files, remembered for as long as the files stay as they are.

Whether a file has changed is told as Git tells it: by its size, its place on the disk and the times of its
last write and of its last change of any kind. The kernel sets the last of these itself, so that nothing that
writes to a file goes unnoticed, a copy with the times of another file included. What decays on the disk by
itself does; `tritonzoo check` reads every byte anew.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from tritonzoo.lock import sha256_of, write_text

# Clocks of file systems tick: a file that was changed just now may change again within the same tick.
_SETTLED_NS = 2_000_000_000


class Digests:
    """Digests by file, kept in one JSON file, which is safe to delete at any time."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._known = _read(kept)
        self._is_changed = False

    def of(self, path: Path) -> str:
        """The sha256 of a file's bytes, read only where the file is not as it was when it was last read."""
        key = str(path.resolve())
        state = _state(path)
        known = self._known.get(key)
        if known is not None and known[:-1] == state:
            return str(known[-1])
        digest = sha256_of(path)
        if _state(path) == state and time.time_ns() - path.stat().st_ctime_ns > _SETTLED_NS:
            self._known[key] = [*state, digest]
            self._is_changed = True
        return digest

    def save(self) -> None:
        """Keep what is known of the files that are still there, where that can be written."""
        if not self._is_changed:
            return
        known = {path: entry for path, entry in self._known.items() if Path(path).exists()}
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._kept, json.dumps(known, indent=1))
        except OSError:  # the next start reads the files again
            return
        self._is_changed = False


def _state(path: Path) -> list[int | str]:
    found = path.stat()
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(kept: Path) -> dict[str, list[int | str]]:
    """What was kept; nothing where it is not there or not whole."""
    try:
        known = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and all(map(_is_entry, known.values())) else {}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 6 and isinstance(entry[-1], str)
