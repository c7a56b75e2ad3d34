"""What a soak found, as it is printed, drawn and saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tritonzoo.bench.figures import plain
from tritonzoo.bench.latency import Latency
from tritonzoo.lock import write_text
from tritonzoo.soak.clients import Answered, Tally
from tritonzoo.soak.judge import Check, drift
from tritonzoo.soak.watch import Sample

FORMAT = 1


@dataclass(frozen=True)
class PipelineFigures:
    """What became of the requests to one pipeline."""

    answered: int
    refused: int  # wrong ones, as they should be
    left: int  # whose caller did not wait
    errors: int
    first_errors: Sequence[str]
    p50_ms: float
    p99_ms: float
    drift: float | None  # latency of the last third to that of the first

    @classmethod
    def of(cls, tally: Tally, span: tuple[float, float]) -> PipelineFigures:
        latency = Latency.of(one.took_s for one in tally.answered)
        counts = tally.counts
        return cls(
            len(tally.answered),
            counts["refused"],
            counts["left"],
            counts["errors"],
            tally.errors,
            latency.p50_ms,
            latency.p99_ms,
            drift(tally.answered, span),
        )


@dataclass(frozen=True)
class SoakFigures:
    """One soak."""

    date: str
    options: Mapping[str, Any]
    environment: str
    seconds: float
    pipelines: Mapping[str, PipelineFigures]
    checks: Sequence[Check]
    samples: Sequence[Sample]  # their times count from the start

    @property
    def is_kept(self) -> bool:
        """Whether every bound is kept; what cannot be said breaks none."""
        return all(check.is_kept is not False for check in self.checks)

    def to_json(self) -> str:
        """All of it; a figure that is not there is null."""
        return json.dumps(plain({"format": FORMAT, **asdict(self)}), indent=1, allow_nan=False)

    def save(self, path: Path) -> None:
        """Write it whole, or not at all."""
        write_text(path, self.to_json() + "\n")


def windows_ms(answered: Sequence[Answered], span: tuple[float, float], count: int) -> list[float | None]:
    """The p50 of the answers that were asked for in each of `count` equal parts of the time."""
    start_s, end_s = span
    found: list[list[float]] = [[] for _ in range(count)]
    for one in answered:
        index = int((one.start_s - start_s) / (end_s - start_s) * count)
        if 0 <= index < count:
            found[index].append(one.took_s)
    return [Latency.of(part).p50_ms if part else None for part in found]
