"""One start of a tree's server, in the environment that runs this: what it took, as JSON on standard output.

Uses nothing of tritonzoo but what every version of it has, so that versions can be compared.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

started_s = time.monotonic()

from tritonzoo import Client  # noqa: E402  importing is part of the start
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions  # noqa: E402  so is this

SHM, PROC = Path("/dev/shm"), Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FIELDS = {"rss": "Rss", "pss": "Pss", "anonymous": "Anonymous"}  # of smaps_rollup, proc_pid_smaps(5)


def processes(pids: list[int]) -> dict[str, dict[str, float]]:
    """By instance of a model, or "server": MiB of memory and seconds of processor time."""
    return dict(map(_process, pids))


def _process(pid: int) -> tuple[str, dict[str, float]]:
    words = (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
    name = words[8] if "stub" in words[0] else "server"
    rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    sizes = {key: _kib(rollup, field) / 1024 for key, field in FIELDS.items()}
    sizes["uss"] = (_kib(rollup, "Private_Clean") + _kib(rollup, "Private_Dirty")) / 1024
    ticks = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[11:13]
    return name, {**sizes, "cpu_s": sum(map(int, ticks)) / TICKS_PER_S}


def _kib(rollup: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None, f"the kernel tells no {field}"
    return int(found[1])


def shm_mib(prefix: str) -> float:
    return sum(path.stat().st_blocks * 512 for path in SHM.glob(f"{prefix}*")) / 2**20


def ask_everything(grpc_url: str, samples: Path) -> None:
    """One request to each pipeline that answers once, with real inputs."""
    with Client(grpc_url) as client:
        client.embed((samples / "ensemble_embedding/sentences.txt").read_text("utf-8").splitlines())
        client.sentiment((samples / "ensemble_sentiment/reviews.txt").read_text("utf-8").splitlines())
        client.handwriting(samples / "ensemble_handwriting/k_photographed.jpg")
        client.vad(samples / "ensemble_vad/note.m4a")
        client.vad(samples / "ensemble_vad/pauses.flac")
        client.transcribe(samples / "ensemble_transcription/clean.flac")


def main(root: Path) -> None:
    imported_s = time.monotonic()
    with EmbeddedTriton(ServeOptions(root=root, ports=Ports.free())) as triton:
        ready_s = time.monotonic()
        supervisor = os.times()
        found = processes(triton.pids)
        report = {
            "start_to_ready_s": ready_s - started_s,
            "import_s": imported_s - started_s,
            "cpu_s": sum(one["cpu_s"] for one in found.values()) + supervisor.user + supervisor.system,
            "ready": found,
            "shm_mib": shm_mib(triton.shm_prefix),
        }
        ask_everything(triton.grpc_url, root / "data_samples")
        report["used"] = processes(triton.pids)
        report["used_shm_mib"] = shm_mib(triton.shm_prefix)
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
