"""The parity ledger: for every artifact, how far its answers are from the source model's, and what made it.

One `ledger.json` a model folder, sorted and indented so that it diffs well. An artifact without an entry, or
with other bytes than its entry's, is not served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tritonzoo.errors import RepositoryError
from tritonzoo.lock import write_text


@dataclass(frozen=True)
class OutputError:
    """The distance between two models' answers, over every row that was run."""

    rows: int
    max_abs: float
    max_rel: float  # largest |difference| over the largest |reference| of its row
    min_cosine: float  # least cosine similarity of any row
    mean_cosine: float


@dataclass(frozen=True)
class Speed:
    """Rows a second in this process, at the recipe's usual extents, on the machine that converted."""

    rows_per_s: float
    extents: str  # "input_ids 16x64"
    processor: str
    threads: int


@dataclass(frozen=True)
class Entry:
    """One proved artifact."""

    sha256: str
    made_by: str  # the command that repeats it
    made_from: str  # the sources and the exporter, or the artifact that this one is derived from
    date: str
    versions: Mapping[str, str]
    errors: Mapping[str, OutputError]  # by output
    by_bucket: Mapping[str, OutputError]  # by extents of the sample: "input_ids 8x32"
    tolerance: Mapping[str, float | str]  # what it was held to, and why
    needed: Mapping[str, float]  # the tolerance that would just have passed
    left_out: tuple[str, ...] = ()  # layers kept in a higher precision
    task: Mapping[str, float] = field(default_factory=dict)  # in the task's own unit
    speed: Speed | None = None
    verdict: str = "green"  # within its tolerance; what is not is never put in place


def read(path: Path) -> dict[str, Entry]:
    """Artifact name -> entry; empty when nothing was proved yet."""
    if not path.is_file():
        return {}
    try:
        return {name: _entry(fields) for name, fields in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise RepositoryError(
            f"{path}: not a ledger of this version ({type(error).__name__}: {error}); remove it, then "
            f"`tritonzoo convert {path.parent.name} --force` proves the artifacts anew"
        ) from error


def _entry(fields: dict[str, object]) -> Entry:
    def errors(key: str) -> dict[str, OutputError]:
        group = fields.pop(key)
        assert isinstance(group, dict)
        return {name: OutputError(**error) for name, error in group.items()}

    speed, left_out = fields.pop("speed"), fields.pop("left_out")
    assert isinstance(left_out, list)
    return Entry(
        errors=errors("errors"),
        by_bucket=errors("by_bucket"),
        left_out=tuple(left_out),
        speed=Speed(**speed) if isinstance(speed, dict) else None,
        **fields,  # type: ignore[arg-type]  # as `write` wrote them
    )


def write(path: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the ledger at `path` in one step."""
    write_text(path, to_text(entries))


def to_text(entries: Mapping[str, Entry]) -> str:
    """A ledger as it is written."""
    return (
        json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=2, sort_keys=True) + "\n"
    )
