"""Several files replaced together: all of them are the new ones, or all are as they were."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def replace_together(staged: Mapping[Path, Path]) -> None:
    """Rename each staged file to its place; whatever fails, or interrupts, puts back what was there.

    Args:
        staged: place -> the new file, on the same file system.

    Raises:
        OSError: nothing has changed.
    """
    previous = {place: place.with_name(f".{place.name}.{os.getpid()}.previous") for place in staged}
    try:
        for place, link in previous.items():
            if place.exists():
                link.unlink(missing_ok=True)
                os.link(place, link)  # takes no space but a name, and that before anything has changed
        done: list[Path] = []
        try:
            for place, new in staged.items():
                done.append(place)  # before the rename: an interrupt may come right after it
                new.replace(place)
        except BaseException:
            for place in done:
                if previous[place].exists():
                    previous[place].replace(place)
                elif not staged[place].exists():  # it was moved, and there was nothing in its place
                    place.unlink(missing_ok=True)
            raise
    finally:
        for link in previous.values():
            link.unlink(missing_ok=True)
