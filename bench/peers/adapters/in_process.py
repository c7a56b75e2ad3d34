"""A process without a server: asked by lines of JSON what it can do when nothing stands between."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers.contender import KEPT, Contender
from bench.peers.errors import ContenderError
from bench.peers.process import OFFLINE
from bench.peers.window import Window

from tritonzoo.bench.latency import Latency
from tritonzoo.bench.resources import memory_bytes, processor
from tritonzoo.runtime import proc


@dataclass
class InProcess:
    """Answers orders; see in_process_texts.py."""

    contender: Contender
    process: subprocess.Popen[str]
    agreements: list[float]
    tried: dict[str, float] = field(default_factory=dict)  # what was tried, and its requests a second

    async def window(self, clients: int, seconds: float, seed: int) -> Window:
        before = processor(self._pids())
        said = await asyncio.to_thread(ask, self.process, {"clients": clients, "seconds": seconds})
        used = processor(self._pids()) - before
        latency = Latency.of(said["took_s"])
        assert used.server_s is not None
        return Window(
            said["answered"] / said["seconds"],
            latency.p50_ms,
            latency.p99_ms,
            said["answered"],
            1e3 * used.server_s / said["answered"],
            used.generator_s / said["seconds"],
            None if used.others_s is None else used.others_s / said["seconds"],
        )

    def memory_bytes(self) -> int:
        return memory_bytes(self._pids())

    async def close(self) -> None:
        """It ends with its block."""

    def _pids(self) -> list[int]:
        return proc.group(self.process.pid)


@contextmanager
def in_process(
    command: Sequence[str],
    contender: Callable[[str], Contender],
    compare: Callable[[int, Any], float],
    environment: Mapping[str, str],
    log: Path,
) -> Iterator[InProcess]:
    """Start one; `contender` is given the settings that it says it runs with."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **OFFLINE, **environment},
            start_new_session=True,
        )
    try:
        said = _line(process, log)
        answers = ask(process, {"answer": KEPT})["answers"]
        agreements = [compare(index, answer) for index, answer in enumerate(answers)]
        yield InProcess(contender(said["ready"]), process, agreements, said["tried"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def ask(process: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
    """One order, and its answer."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return _line(process, None)


def _line(process: subprocess.Popen[str], log: Path | None) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        said = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:]) if log else ""
        raise ContenderError(f"{process.args!r} ended before it answered\n{said}")
    return dict(json.loads(line))
