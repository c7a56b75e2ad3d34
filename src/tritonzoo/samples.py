"""Real inputs to call a pipeline with: `data_samples/<pipeline>/`.

A text file holds one input a line; any other file (a picture, a recording) is one input. `labels.tsv` says
what the answers should be, and folders below hold what other programs send: neither is an input.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tritonzoo.repository import Model, Repository

LABELS = "labels.tsv"
NO_SAMPLES = (".md", ".tsv", ".json")  # what describes samples, or is made of them


@dataclass(frozen=True)
class Sample:
    """One input for a pipeline: a text, or a file to send as it is."""

    tensor: str  # the input that it goes into
    text: str = ""
    path: Path | None = None

    @property
    def value(self) -> str | bytes:
        """What is sent."""
        return self.text if self.path is None else self.path.read_bytes()

    def __str__(self) -> str:
        return self.text if self.path is None else self.path.name


def samples(repository: Repository, pipeline: Model) -> tuple[Sample, ...]:
    """The pipeline's samples in the order of their files' names; none when it has no folder."""
    folder = repository.root / "data_samples" / pipeline.name
    tensor = str(pipeline.config.input[0].name)
    found: list[Sample] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix == ".txt":
            found += [
                Sample(tensor, text=line) for line in path.read_text("utf-8").splitlines() if line.strip()
            ]
        elif path.is_file() and path.suffix not in NO_SAMPLES:
            found.append(Sample(tensor, path=path))
    return tuple(found)
