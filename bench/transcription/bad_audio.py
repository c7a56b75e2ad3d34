"""What the transcription pipeline makes of bad recordings, while another client goes on being served.

    python bench/transcription/bad_audio.py [--hours 8] [--root TREE]

Prints the answer or the error to each, how long it took, and the server's memory over all of them.
"""

from __future__ import annotations

import argparse
import io
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table
from server_memory import ServerMemory

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.errors import CallError
from tritonzoo.repository import Repository

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "data_samples"
GOOD = SAMPLES / "ensemble_transcription" / "clean.flac"


def wav_header(rate_hz: int, channels: int, claimed_bytes: int) -> bytes:
    """A RIFF header that may lie."""
    sound = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16
    )
    return (
        struct.pack("<4sI4s", b"RIFF", (claimed_bytes + 36) % 2**32, b"WAVE")
        + sound
        + struct.pack("<4sI", b"data", claimed_bytes % 2**32)
    )


def silence(hours: float) -> bytes:
    """A FLAC file of silence, written in pieces."""
    content = io.BytesIO()
    minute = np.zeros(16_000 * 60, np.int16)
    with soundfile.SoundFile(content, "w", 16_000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(round(hours * 60)):
            file.write(minute)
    return content.getvalue()


def channels(count: int) -> bytes:
    """The good recording on one of so many channels."""
    samples, rate_hz = soundfile.read(GOOD, dtype="float32")
    wide = np.tile(samples[:, None], (1, count))
    content = io.BytesIO()
    soundfile.write(content, wide, rate_hz, format="WAV", subtype="PCM_16")
    return content.getvalue()


def recordings(hours: float) -> Iterator[tuple[str, bytes | np.ndarray]]:
    good = GOOD.read_bytes()
    nan = np.zeros(16_000, np.float32)
    nan[8_000] = np.nan
    yield "empty", b""
    yield "a text file", b"This is a letter; there is nothing to be heard in it.\n" * 20
    yield "a picture", (SAMPLES / "ensemble_handwriting" / "a_drawn.png").read_bytes()
    yield "truncated FLAC", good[: len(good) // 2]
    yield "truncated MP3", (GOOD.parent / "noisy.mp3").read_bytes()[:8_000]
    yield "1 sample", np.zeros(1, np.float32)
    yield "NaN samples", nan
    yield "a header of 2 GB, 1 kB of it there", wav_header(16_000, 1, 2**31 - 64) + bytes(1_000)
    yield "0 Hz", wav_header(0, 1, 1_000) + bytes(1_000)
    yield "no channels", wav_header(16_000, 0, 1_000) + bytes(1_000)
    yield "64 channels", channels(64)
    yield f"{hours:g} hours of silence", silence(hours)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--root", type=Path, default=Repository.find(HERE).root, help="the tree to serve")
    parser.add_argument("--allow-unproved", nargs="*", default=[])
    arguments = parser.parse_args()
    served = ServeOptions(
        arguments.root,
        Ports.free(),
        pipelines=("ensemble_transcription",),
        allow_unproved=tuple(arguments.allow_unproved),
    )
    table = Table(title="bad recordings")
    for column in ("sent", "answered", "s"):
        table.add_column(column, overflow="fold")
    with EmbeddedTriton(served) as triton, Client(triton.grpc_url, timeout_s=1800) as client:
        expected = client.transcribe(GOOD, language="en").text
        others: list[str] = []
        finished = threading.Event()

        def another_client() -> None:
            while not finished.is_set():
                others.append(client.transcribe(GOOD, language="en").text)

        thread = threading.Thread(target=another_client)
        with ServerMemory(triton) as memory:
            thread.start()
            for name, recording in recordings(arguments.hours):
                start = time.perf_counter()
                try:
                    transcript = client.transcribe(recording, language="en")
                    answer = f"{transcript.text!r}, {transcript.duration_s:.2f} s"
                except CallError as error:
                    answer = f"{type(error).__name__}: {error}"
                table.add_row(name, answer, f"{time.perf_counter() - start:.2f}")
            finished.set()
            thread.join()
    Console(width=140).print(table)
    print(f"memory: {memory}")
    print(
        f"another client meanwhile: {len(others)} answers, {sum(text != expected for text in others)} wrong"
    )


if __name__ == "__main__":
    main()
