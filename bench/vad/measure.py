"""ensemble_vad over the wire against the silero-vad package in its own process, side by side in one run.

    .venv/bin/python bench/vad/measure.py --minutes 10 --rounds 5

The same speech with pauses; each round asks each contender once, in turn, while the others idle. Times are
medians over the rounds, the ratio to the package's own ONNX loop is taken round by round. "x real time" is
seconds of sound in a second. Then live streams: chunks of 32 ms to vad_stream, each sent once the last was
answered.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import silero_vad
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform
from tritonzoo.runtime.vad import WINDOW_SAMPLES

PACKAGE = "silero-vad, its ONNX, in its process"


def recording(root: Path, minutes: float) -> NDArray[np.float32]:
    """The pipeline's samples over and over."""
    folder = root / "data_samples" / "ensemble_vad"
    known = np.concatenate(
        [waveform(path.read_bytes()) for path in sorted(folder.iterdir()) if path.suffix != ".md"]
    )
    return np.resize(known, round(minutes * 60 * SAMPLE_RATE_HZ))


def flac(sound: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, SAMPLE_RATE_HZ, format="FLAC")
    return file.getvalue()


def measured(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call, by contender; one round to warm up is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, call in contenders.items():
            start_s = time.perf_counter()
            call()
            if round_:
                seconds[name].append(time.perf_counter() - start_s)
    return seconds


def live(client: Client, sound: NDArray[np.float32]) -> list[float]:
    """Seconds that each chunk of 32 ms took in one stream."""
    took = []
    with client.vad_stream() as stream:
        for chunk in np.split(
            sound[: sound.size // WINDOW_SAMPLES * WINDOW_SAMPLES], sound.size // WINDOW_SAMPLES
        ):
            start_s = time.perf_counter()
            stream.send(chunk)
            took.append(time.perf_counter() - start_s)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = Repository.find().root
    sound = recording(root, arguments.minutes)
    tensor, file = torch.from_numpy(sound), flac(sound)
    model, sequence = silero_vad.load_silero_vad(onnx=True), silero_vad.load_silero_vad(sequence=True)
    part = sound[: sound.size // arguments.clients]
    with (
        EmbeddedTriton(ServeOptions(root, Ports.free(), ("ensemble_vad", "vad_stream"))) as triton,
        Client(triton.grpc_url, timeout_s=600) as client,
        ThreadPoolExecutor(arguments.clients) as pool,
    ):
        contenders: dict[str, Callable[[], object]] = {
            PACKAGE: lambda: silero_vad.get_speech_timestamps(tensor, model),
            "silero-vad, its sequence ONNX, in its process": lambda: (
                silero_vad.get_speech_timestamps_sequence(sound, sequence)
            ),
            "ensemble_vad, gRPC, samples, 1 client": lambda: client.vad(sound),
            "ensemble_vad, gRPC, a FLAC file, 1 client": lambda: client.vad(file),
            f"ensemble_vad, gRPC, samples, {arguments.clients} clients": lambda: list(
                pool.map(client.vad, [part] * arguments.clients)
            ),
        }
        seconds = measured(contenders, arguments.rounds)
        streams = [sound[: 30 * SAMPLE_RATE_HZ]] * arguments.clients
        alone_s = live(client, streams[0])
        start_s = time.perf_counter()
        took_s = [each for took in pool.map(lambda part: live(client, part), streams) for each in took]
        chunks_per_s = len(took_s) / (time.perf_counter() - start_s)
    table = Table(title=f"{arguments.minutes:g} minutes of sound, {arguments.rounds} rounds")
    for column in ("", "s", "x real time", "ratio", "least ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for name, each in seconds.items():
        ratios = [package / own for package, own in zip(seconds[PACKAGE], each, strict=True)]
        took = statistics.median(each)
        table.add_row(
            name,
            f"{took:.2f}",
            f"{arguments.minutes * 60 / took:.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f}",
        )
    console = Console(width=110)
    console.print(table)
    console.print(
        f"vad_stream, chunks of 32 ms: 1 stream {1e3 * statistics.median(alone_s):.1f} ms a chunk (median);"
        f" {arguments.clients} streams {1e3 * statistics.median(took_s):.1f} ms, {chunks_per_s:.0f} chunks/s,"
        f" as many as {chunks_per_s * WINDOW_SAMPLES / SAMPLE_RATE_HZ:.0f} live streams send"
    )


if __name__ == "__main__":
    main()
