"""What a server takes of the machine, time after time: memory, shared memory, handles, threads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tritonzoo.bench.resources import Processor, memory_bytes, processor
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.embedded.shm import SHM
from tritonzoo.embedded.stubs import find_stubs
from tritonzoo.runtime import proc

SERVER = "tritonserver"  # and what is no model of the tree
_THREADS = re.compile(r"^Threads:\s+(\d+)", re.MULTILINE)
_BLOCK_BYTES = 512  # stat(2): what st_blocks counts in


@dataclass(frozen=True)
class Sample:
    """One look at a server."""

    at_s: float  # of time.perf_counter
    memory_bytes: Mapping[str, int] = field(
        default_factory=dict
    )  # PSS, by process: a model's instance, or the server
    handles: Mapping[str, int] = field(default_factory=dict)  # open files and sockets, by process
    threads: Mapping[str, int] = field(default_factory=dict)  # by process
    shm_bytes: int = 0  # that its files in /dev/shm really take
    shm_files: int = 0
    used: Processor = field(default_factory=lambda: Processor(0.0, 0.0, 0.0))


def look(triton: EmbeddedTriton) -> Sample:
    """All of it now."""
    pids = triton.pids
    names = {stub.pid: stub.instance for stub in find_stubs(triton.pid, triton.models)}
    memory: dict[str, int] = {}
    handles: dict[str, int] = {}
    threads: dict[str, int] = {}
    for pid in pids:
        name = names.get(pid, SERVER)
        memory[name] = memory.get(name, 0) + memory_bytes([pid])
        handles[name] = handles.get(name, 0) + _handles(pid)
        threads[name] = threads.get(name, 0) + _threads(pid)
    sizes = [size for size in map(_taken, SHM.glob(f"{triton.shm_prefix}*")) if size is not None]
    return Sample(time.perf_counter(), memory, handles, threads, sum(sizes), len(sizes), processor(pids))


class Watcher:
    """Looks every few seconds for as long as the block lasts."""

    def __init__(self, triton: EmbeddedTriton, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._triton, self._every_s = triton, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="soak watcher", daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            self.samples.append(look(self._triton))


def _handles(pid: int) -> int:
    try:
        return sum(1 for _ in (proc.PROC / str(pid) / "fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0


def _threads(pid: int) -> int:
    try:
        found = _THREADS.search((proc.PROC / str(pid) / "status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) if found else 0


def _taken(file: Path) -> int | None:
    try:
        return file.stat().st_blocks * _BLOCK_BYTES
    except FileNotFoundError:
        return None
