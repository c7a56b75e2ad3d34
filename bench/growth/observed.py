"""One load as a row of plain numbers: what clients saw, and what each step did for one answer."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tritonzoo.bench.figures import Figures, Point, plain
from tritonzoo.bench.options import BenchOptions
from tritonzoo.bench.run import bench
from tritonzoo.bench.target import Target
from tritonzoo.bench.triton_statistics import NS_PER_MS

ROUND_TRIP = "outside"

console = Console(stderr=True, highlight=False)


def figures_of(server: Target, pipeline: str, texts: Sequence[str], options: BenchOptions) -> Figures:
    """Bench the texts."""
    with tempfile.TemporaryDirectory(prefix="tritonzoo-growth-") as folder:
        file = Path(folder) / "texts.txt"
        file.write_text("\n".join(texts) + "\n", "utf-8")
        return bench(server, pipeline, options, file, None, lambda step: console.print(f"  {step}"))


def row(point: Point) -> dict[str, Any]:
    """What there is to say of one load; times in milliseconds for one answer."""
    answers = sum(window.answered for window in point.windows)
    seconds = sum(window.seconds for window in point.windows)
    cpu_s = [window.cpu_s_per_request for window in point.windows if window.cpu_s_per_request is not None]
    least, most = point.throughput_range
    return plain(
        {
            "load": point.load.value,
            "answers": answers,
            "errors": point.errors,
            "answers_per_s": point.throughput_per_s,
            "least_per_s": least,
            "most_per_s": most,
            "p50_ms": point.middle(lambda window: window.latency.p50_ms),
            "p99_ms": point.middle(lambda window: window.latency.p99_ms),
            "cpu_ms": 1000 * sum(cpu_s) / len(cpu_s),
            "server_cores": sum((window.cpu_s_per_request or 0) * window.answered for window in point.windows)
            / seconds,
            "generator_cores": point.middle(lambda window: window.generator_cores),
            "other_cores": point.middle(lambda window: window.other_cores),
            "memory_mb": (point.middle(lambda window: window.memory_bytes) or 0) / 1e6,
            "batch": point.batch_sizes(),
            "padding": {
                name: point.middle(lambda window, name=name: window.padding.get(name))
                for name in point.windows[0].padding
            },
            "queue_ms": {name: one.queue_ns / NS_PER_MS / answers for name, one in point.steps().items()},
            "compute_ms": {name: one.infer_ns / NS_PER_MS / answers for name, one in point.steps().items()},
        }
    )
