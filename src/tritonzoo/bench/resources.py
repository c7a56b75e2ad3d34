"""What the server's processes, this one and all others take of the machine. Linux only, like the server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.runtime import proc

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Processor:
    """Seconds of processor time used so far."""

    server_s: float | None  # None: it runs on another machine
    generator_s: float  # this process, and those that it started and that have ended
    machine_s: float  # everything, by /proc/stat

    def __sub__(self, before: Processor) -> Processor:
        server_s = None
        if self.server_s is not None and before.server_s is not None:
            server_s = max(0.0, self.server_s - before.server_s)
        return Processor(
            server_s, self.generator_s - before.generator_s, max(0.0, self.machine_s - before.machine_s)
        )

    @property
    def others_s(self) -> float | None:
        """Used by neither; ticks of 10 ms are what it is exact to."""
        return None if self.server_s is None else max(0.0, self.machine_s - self.server_s - self.generator_s)


def processor(pids: Iterable[int] | None) -> Processor:
    """Used until now, by the processes `pids` among others; None where the server's are not known."""
    server_s = None
    if pids is not None:
        found = [one for one in map(proc.process, pids) if one is not None]
        server_s = sum(one.cpu_ticks for one in found) / _TICKS_PER_S
    used = os.times()
    generator_s = used.user + used.system + used.children_user + used.children_system
    return Processor(server_s, generator_s, _machine_s())


def memory_bytes(pids: Iterable[int]) -> int:
    """Memory of several processes, what they share counted once (PSS)."""
    return sum(map(_pss_bytes, pids))


def _pss_bytes(pid: int) -> int:
    try:
        found = _PSS.search((proc.PROC / str(pid) / "smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0
    return int(found[1]) * 1024 if found else 0


def _machine_s(stat: Path = proc.PROC / "stat") -> float:
    """proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already."""
    ticks = [int(field) for field in stat.read_text().partition("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS_PER_S
