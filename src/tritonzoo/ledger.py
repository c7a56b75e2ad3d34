"""The parity ledger: for every artifact, how far its answers are from the source model's, and what made it.

One `ledger.json` a model folder, sorted and indented so that it diffs well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tritonzoo.lock import write_text


@dataclass(frozen=True)
class OutputError:
    """The distance between two models' answers for one output, over every sample that was run."""

    rows: int
    max_abs: float
    max_rel: float  # largest |difference| over the largest |reference| of its row
    min_cosine: float  # least cosine similarity of any row


@dataclass(frozen=True)
class Entry:
    """One proved artifact."""

    sha256: str
    made_by: str  # the command that repeats it
    exporter: str  # which of torch's exporters, and the opset
    versions: Mapping[str, str]
    errors: Mapping[str, OutputError]  # by output
    by_bucket: Mapping[str, OutputError]  # by extents of the sample: "input_ids 8x32"
    atol: float
    cosine: float
    why: str
    verdict: str = field(default="green")  # green: within its tolerance


def read(path: Path) -> dict[str, Entry]:
    """Artifact name -> entry; empty when nothing was proved yet."""
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text("utf-8"))
    return {
        name: Entry(
            **{key: value for key, value in entry.items() if key not in ("errors", "by_bucket")},
            errors={output: OutputError(**error) for output, error in entry["errors"].items()},
            by_bucket={bucket: OutputError(**error) for bucket, error in entry["by_bucket"].items()},
        )
        for name, entry in entries.items()
    }


def write(path: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the ledger at `path` in one step."""
    text = json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=2, sort_keys=True)
    write_text(path, text + "\n")
