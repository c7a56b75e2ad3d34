"""What /proc says about processes. Linux only, like the server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process as /proc/<pid>/stat has it (proc_pid_stat(5))."""

    pid: int
    state: str
    parent_pid: int
    group: int
    start_ticks: int  # since boot: tells a process from a later one with the same pid
    cpu_ticks: int = 0  # used so far, in user and system mode

    @property
    def is_alive(self) -> bool:
        """A zombie is dead: it waits to be reaped and does nothing else."""
        return self.state not in "ZX"


def process(pid: int) -> Process | None:
    """The process `pid`, None where there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return Process(
        pid,
        state=fields[0],
        parent_pid=int(fields[1]),
        group=int(fields[2]),
        start_ticks=int(fields[19]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
    )


def is_alive(pid: int, start_ticks: int) -> bool:
    """Whether this very process runs, not a later one with its pid."""
    found = process(pid)
    return found is not None and found.is_alive and found.start_ticks == start_ticks


def processes() -> list[Process]:
    """Every process that can be seen, zombies too."""
    names = (path.name for path in PROC.iterdir())
    found = (process(int(name)) for name in names if name.isdigit())
    return [one for one in found if one is not None]


def group(leader_pid: int) -> list[int]:
    """The live processes of a process group, the leader among them."""
    return [one.pid for one in processes() if one.group == leader_pid and one.is_alive]


def children(pid: int) -> list[Process]:
    """The live children of `pid`."""
    return [one for one in processes() if one.parent_pid == pid and one.is_alive]


def command_line(pid: int) -> list[str]:
    """The arguments of `pid`; empty where it is gone."""
    try:
        text = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return text.decode("utf-8", "replace").rstrip("\0").split("\0") if text else []


def boot_age_s() -> float:
    """Seconds since boot, the clock that `start_ticks` counts on."""
    return float((PROC / "uptime").read_text().split()[0])


def age_s(one: Process) -> float:
    """How long a process has been running."""
    return boot_age_s() - one.start_ticks / os.sysconf("SC_CLK_TCK")
