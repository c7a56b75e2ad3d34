"""What hours in one file take of a server's memory.

    .venv/bin/python bench/vad/memory.py --hours 0.02 8

Silence as FLAC (8 hours are 2 MB), sent to ensemble_vad one file after another. Memory is the sum of what the
server and its processes hold (RSS, of /proc), read ten times a second; the first call is a warm-up.
"""

from __future__ import annotations

import argparse
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ


def silence(hours: float) -> bytes:
    file = io.BytesIO()
    minute = np.zeros(60 * SAMPLE_RATE_HZ, np.int16)
    with soundfile.SoundFile(file, "w", SAMPLE_RATE_HZ, 1, format="FLAC") as flac:
        for _ in range(max(round(hours * 60), 1)):
            flac.write(minute)
    return file.getvalue()


def held_mib(port: int) -> float:
    """RSS of the server that listens on `port` and of its stubs; they are the processes that name it."""
    total_kib = 0
    parents = {path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _names(path, port)}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.parent.name in parents or fields.get("PPid", "").strip() in parents:
            total_kib += int(fields.get("VmRSS", "0 kB").split()[0])
    return total_kib / 1024


def _names(path: Path, port: int) -> bool:
    try:
        words = path.read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0].endswith(b"tritonserver") and any(str(port).encode() in word for word in words)


@contextmanager
def watched(port: int) -> Iterator[list[float]]:
    """Memory in MiB, ten times a second, for as long as the block lasts."""
    seen, done = [held_mib(port)], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            seen.append(held_mib(port))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[0.02, 1])
    ports = Ports.free()
    root = Repository.find().root
    with (
        EmbeddedTriton(ServeOptions(root, ports, ("ensemble_vad",))) as triton,
        Client(triton.grpc_url, timeout_s=7_200) as client,
    ):
        client.vad(silence(1 / 60))
        for hours in parser.parse_args().hours:
            content = silence(hours)
            start_s = time.perf_counter()
            with watched(ports.http) as seen:
                found = client.vad(content)
            took_s = time.perf_counter() - start_s
            print(
                f"{hours:g} h, {len(content) / 1e6:.1f} MB: {len(found.segments)} segments, "
                f"{len(found.probabilities)} probabilities, {took_s:.1f} s; "
                f"{seen[0]:.0f} MiB before, at most {max(seen):.0f} MiB"
            )


if __name__ == "__main__":
    main()
