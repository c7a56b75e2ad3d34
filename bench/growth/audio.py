"""ensemble_vad and ensemble_transcription with one recording of a second to an hour, one client."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from bench.growth.plotting import number
from numpy.typing import NDArray

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform
from tritonzoo.soak.watch import Watcher, look

SECONDS = (1, 3, 10, 30, 60, 300, 900, 1800, 3600)
PIPELINES = ("ensemble_vad", "ensemble_transcription")
KEYS = tuple(f"{pipeline} {seconds}" for pipeline in PIPELINES for seconds in SECONDS)
LEAST_CALLS, LEAST_S = 1, 3.0  # of each length
LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Served:
    triton: EmbeddedTriton
    client: Client


@contextmanager
def session() -> Iterator[Served]:
    with (
        EmbeddedTriton(ServeOptions(Repository.find().root, Ports.free(), PIPELINES)) as triton,
        Client(triton.grpc_url, timeout_s=3600) as client,
    ):
        yield Served(triton, client)


def measure(served: Served, key: str) -> list[dict[str, Any]]:
    pipeline, seconds = key.split()
    known = speech(Repository.find(), pipeline)
    ask(served.client, pipeline, flac(known))  # a first call loads what is loaded late
    content = flac(np.resize(known, int(seconds) * SAMPLE_RATE_HZ))
    return [{"pipeline": pipeline, **_one(served.triton, served.client, pipeline, int(seconds), content)}]


def _one(
    triton: EmbeddedTriton, client: Client, pipeline: str, seconds: int, content: bytes
) -> dict[str, Any]:
    before = look(triton)
    took_s: list[float] = []
    with Watcher(triton, LOOK_EVERY_S) as watcher:
        while len(took_s) < LEAST_CALLS or sum(took_s) < LEAST_S:
            start_s = time.perf_counter()
            ask(client, pipeline, content)
            took_s.append(time.perf_counter() - start_s)
    after = look(triton)
    seen = [before, *watcher.samples, after]
    used = after.used - before.used
    return {
        "audio_s": seconds,
        "file_mb": len(content) / 1e6,
        "calls": len(took_s),
        "took_s": statistics.median(took_s),
        "cpu_s": (used.server_s or 0.0) / len(took_s),
        "other_cores": (used.others_s or 0.0) / (after.at_s - before.at_s),
        "most_mb": max(sum(one.memory_bytes.values()) for one in seen) / 1e6,
        "shm_mb": max(one.shm_bytes for one in seen) / 1e6,
    }


def ask(client: Client, pipeline: str, content: bytes) -> None:
    client.infer(pipeline, {"audio": [content]})


def speech(tree: Repository, pipeline: str) -> NDArray[np.float32]:
    """The pipeline's own samples, one after the other."""
    folder = tree.root / "data_samples" / pipeline
    files = [path for path in sorted(folder.iterdir()) if path.suffix not in (".md", ".tsv")]
    return np.concatenate([waveform(path.read_bytes()) for path in files])


def flac(sound: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, SAMPLE_RATE_HZ, format="FLAC")
    return file.getvalue()


def draw(figure: Any, rows: list[dict[str, Any]]) -> None:
    speed, took, memory = figure.subplots(1, 3)
    for pipeline in PIPELINES:
        of = [one for one in rows if one["pipeline"] == pipeline]
        lengths = [one["audio_s"] for one in of]
        speed.plot(lengths, [one["audio_s"] / one["took_s"] for one in of], "o-", label=pipeline)
        took.plot(lengths, [one["took_s"] for one in of], "o-", label=pipeline)
        memory.plot(lengths, [one["most_mb"] for one in of], "o-", label=pipeline)
    speed.set_title("times real time", loc="left")
    took.set_title("seconds to the answer", loc="left")
    took.set_yscale("log")
    memory.set_title("most memory of the server, MB (PSS)", loc="left")
    for axes in (speed, took, memory):
        axes.set_xscale("log")
        axes.set_xticks([1, 10, 60, 600, 3600], ["1 s", "10 s", "1 min", "10 min", "1 h"])
        axes.minorticks_off()
        axes.set_xlabel("recording")
        axes.legend(frameon=False, fontsize=8)
    speed.set_ylim(bottom=0)
    memory.set_ylim(bottom=0)


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    head = [
        "recording",
        "pipeline",
        "seconds to the answer",
        "times real time",
        "CPU s",
        "file MB",
        "most memory MB",
        "shared memory MB",
    ]
    body = [
        [
            _length(one["audio_s"]),
            f"`{one['pipeline']}`",
            number(one["took_s"]),
            number(one["audio_s"] / one["took_s"]),
            number(one["cpu_s"]),
            number(one["file_mb"]),
            f"{one['most_mb']:.0f}",
            f"{one['shm_mb']:.0f}",
        ]
        for one in rows
    ]
    return [head, *body]


def _length(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else "1 h"
