"""The shared memory of the server's stubs: files in /dev/shm with a name that tells whose they are.

A name begins `tritonzoo_<pid>_<start>_`, the supervisor's pid and start time. So a later supervisor can tell
what a dead one left, and removes nothing that another user or a living server needs.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from tritonzoo.errors import ServerError
from tritonzoo.runtime import proc

SHM = Path("/dev/shm")
NAME = re.compile(r"tritonzoo_(\d+)_(\d+)_")


def new_prefix() -> str:
    """A prefix for one server of this process."""
    me = proc.process(os.getpid())
    if me is None:
        raise ServerError("/proc is not mounted; the embedded server needs it")
    return f"tritonzoo_{me.pid}_{me.start_ticks}_{secrets.token_hex(4)}_"


def remove(prefix: str) -> list[Path]:
    """Remove the files of one server, and return them."""
    return [path for path in SHM.glob(f"{prefix}*") if _remove(path)]


def remove_orphans() -> list[Path]:
    """Remove the files of every supervisor that is gone, and return them."""
    orphans = []
    for path in SHM.glob("tritonzoo_*"):
        owner = NAME.match(path.name)
        if owner and not proc.is_alive(int(owner[1]), int(owner[2])) and _remove(path):
            orphans.append(path)
    return orphans


def free_bytes() -> int:
    """What /dev/shm can still take."""
    status = os.statvfs(SHM)
    return status.f_bavail * status.f_frsize


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except (FileNotFoundError, PermissionError):  # gone meanwhile, or another user's
        return False
    return True
