"""Which recordings to transcribe, and where what is written goes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import InvalidInputError

# What is taken for a recording in a folder; a file that is named itself is taken whatever it is called.
SUFFIXES = frozenset(
    ".wav .flac .mp3 .ogg .oga .opus .m4a .mp4 .aac .webm .mka .mkv .mov .aiff .aif .au".split()
)


@dataclass(frozen=True)
class Recording:
    """One file to transcribe and the files to write, one for each format."""

    path: Path
    outputs: tuple[Path, ...]

    @property
    def is_done(self) -> bool:
        """Whether all was written before; files are put in place whole, so being there is enough."""
        return all(output.is_file() for output in self.outputs)


def recordings(sources: Sequence[Path], formats: Sequence[str], output: Path | None) -> list[Recording]:
    """The recordings that files and folders (with all below them) mean, each once, in order.

    `a/b.mp3` is written to `b.srt`, in `output` or, without it, beside the recording; a folder's own folders
    are kept in `output`. Where two recordings would write the same file, the suffix stays: `b.mp3.srt`.
    Raises InvalidInputError for a source that is not there and for a folder without recordings.
    """
    placed = dict(pair for source in sources for pair in _placed(source, output))
    names = Counter(_stem(path, folder) for path, folder in placed.items())
    found = []
    for path, folder in placed.items():
        stem = _stem(path, folder)
        base = stem if names[stem] == 1 else folder / path.name
        found.append(Recording(path, tuple(base.with_name(f"{base.name}.{suffix}") for suffix in formats)))
    return found


def duration_s(path: Path) -> float | None:
    """How long a recording is by its header; None where that cannot be told from here."""
    try:
        import soundfile  # of the extra `serve`; without it the bar grows as the server reads
    except (ImportError, OSError):
        return None
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, OSError):
        return None


def write_whole(path: Path, text: str) -> None:
    """Put a file in place in one step, so that an interrupted run leaves none that is half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _placed(source: Path, output: Path | None) -> Iterator[tuple[Path, Path]]:
    """Each recording of a source with the folder that its outputs go to."""
    if source.is_dir():
        files = [path for path in _below(source) if path.suffix.lower() in SUFFIXES]
        if not files:
            endings = " ".join(sorted(SUFFIXES))
            raise InvalidInputError(f"the folder {source} holds no recording: no file ending in {endings}")
        for path in files:
            yield path, (output / path.parent.relative_to(source) if output else path.parent)
    elif source.is_file():
        yield source, output or source.parent
    else:
        raise InvalidInputError(f"there is no file or folder {source}; give an existing path")


def _below(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _stem(path: Path, folder: Path) -> Path:
    return folder / path.stem
