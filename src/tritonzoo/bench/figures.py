"""What a benchmark found: windows of time under a load, and their medians. Written as JSON and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tritonzoo.bench.accuracy import Accuracy
from tritonzoo.bench.latency import Latency, median
from tritonzoo.bench.options import Load
from tritonzoo.bench.triton_statistics import Counts
from tritonzoo.errors import BenchError
from tritonzoo.lock import write_text

FORMAT = 1


@dataclass(frozen=True)
class Window:
    """One repeat."""

    seconds: float
    answered: int
    errors: int
    latency: Latency
    steps: Mapping[str, Counts] = field(default_factory=dict)  # by model: what Triton counted meanwhile
    padding: Mapping[str, float] = field(default_factory=dict)  # by model: padding over what was real
    cpu_s_per_request: float | None = None  # of the server's processes
    memory_bytes: int | None = None  # of the server's processes, at the end
    audio_s_per_s: float | None = None
    accuracy: Accuracy | None = None
    generator_cores: float = 0.0  # what the generator itself kept busy
    other_cores: float | None = None  # and what neither it nor the server did

    @property
    def throughput_per_s(self) -> float:
        return self.answered / self.seconds


@dataclass(frozen=True)
class Point:
    """One load, in as many windows as there are repeats."""

    load: Load
    windows: Sequence[Window]
    first_error: str = ""

    def middle(self, value: Callable[[Window], float | None]) -> float | None:
        """The median of a figure over the windows; None where no window has it."""
        return median(map(value, self.windows))

    @property
    def throughput_per_s(self) -> float:
        return self.middle(lambda window: window.throughput_per_s) or 0.0

    @property
    def throughput_range(self) -> tuple[float, float]:
        """Of the slowest and the fastest repeat."""
        found = [window.throughput_per_s for window in self.windows]
        return min(found), max(found)

    @property
    def errors(self) -> int:
        return sum(window.errors for window in self.windows)

    @property
    def accuracy(self) -> Accuracy | None:
        """Over the answers of all windows."""
        found = [window.accuracy for window in self.windows if window.accuracy is not None]
        answers = sum(one.answers for one in found)
        if not answers:
            return None
        return Accuracy(found[0].measure, sum(one.value * one.answers for one in found) / answers, answers)

    def batch_sizes(self) -> dict[str, float]:
        """Rows in a batch, by model, over all windows."""
        sizes = {name: count.batch_size for name, count in self.steps().items()}
        return {name: size for name, size in sizes.items() if size is not None}

    def steps(self) -> dict[str, Counts]:
        """What each model did in all windows together."""
        total: dict[str, Counts] = {}
        for window in self.windows:
            for name, count in window.steps.items():
                total[name] = total.get(name, Counts()) + count
        return total


@dataclass(frozen=True)
class Figures:
    """One benchmark of one pipeline."""

    pipeline: str
    date: str
    options: Mapping[str, Any]
    inputs: Mapping[str, Any]  # how many, from where, how long
    environment: Mapping[str, Any]
    points: Sequence[Point]
    batching: Sequence[str] = ()  # the members that Triton may give several requests at once

    def to_json(self) -> str:
        """All of it; a figure that is not there is null."""
        points = [
            {
                **asdict(point),
                "throughput_per_s": point.throughput_per_s,
                "p50_ms": point.middle(lambda window: window.latency.p50_ms),
                "p90_ms": point.middle(lambda window: window.latency.p90_ms),
                "p99_ms": point.middle(lambda window: window.latency.p99_ms),
                "batch_sizes": point.batch_sizes(),
            }
            for point in self.points
        ]
        return json.dumps(
            plain({"format": FORMAT, **asdict(self), "points": points}), indent=1, allow_nan=False
        )

    def save(self, path: Path) -> None:
        """Write them whole, or not at all."""
        write_text(path, self.to_json() + "\n")

    @classmethod
    def read(cls, path: Path) -> Figures:
        """What `save` wrote; raises BenchError for anything else."""
        try:
            saved = json.loads(path.read_text("utf-8"))
            if saved["format"] != FORMAT:
                raise BenchError(
                    f"{path}: of format {saved['format']}, and this reads {FORMAT}; measure again"
                )
            fields = {name: saved[name] for name in cls.__dataclass_fields__}
            return cls(**{**fields, "points": [_point(one) for one in saved["points"]]})
        except OSError as error:
            raise BenchError(
                f"{path}: {error.strerror}; give a file that `tritonzoo bench --save` wrote"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(
                f"{path}: not what `tritonzoo bench --save` writes ({type(error).__name__}: {error})"
            ) from None


def _point(saved: Mapping[str, Any]) -> Point:
    return Point(Load(**saved["load"]), [_window(one) for one in saved["windows"]], saved["first_error"])


def _window(saved: Mapping[str, Any]) -> Window:
    numbers = {name: math.nan if value is None else value for name, value in saved["latency"].items()}
    accuracy = saved["accuracy"]
    return Window(
        **{
            **saved,
            "latency": Latency(**numbers),
            "steps": {name: Counts(**count) for name, count in saved["steps"].items()},
            "accuracy": None if accuracy is None else Accuracy(**accuracy),
        }
    )


def plain(value: Any) -> Any:
    """Without what JSON does not have, and without digits that were not measured."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
