"""What the machine has to offer: memory, shared memory, disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tritonzoo.doctor.finding import Finding, Verdict
from tritonzoo.embedded import preflight
from tritonzoo.errors import PreflightError
from tritonzoo.repository import Model
from tritonzoo.sources import cache_root

MIB = 1024 * 1024
GIB = 1024 * MIB
# Measured (docs/serving.md): the server with a trivial tree; a Python process; an ONNX session has weights
# twice, about.
SERVER_BYTES = 60 * MIB
PROCESS_BYTES = 50 * MIB
SESSION_FACTOR = 2
DISK_BYTES = 3 * GIB  # `make setup`: PyTorch, sources, artifacts
CGROUP_LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory(models: Sequence[Model] = (), root: Path = Path("/")) -> Finding:
    """Whether the models fit into what is available, or into the limit of the container around us."""
    needed = SERVER_BYTES + PROCESS_BYTES * preflight.stub_count(models)
    needed += SESSION_FACTOR * sum(_largest_artifact(model) for model in models)
    available = _available_bytes(root)
    says = f"{available / GIB:.1f} GiB available, this tree needs about {needed / GIB:.1f}"
    if available >= needed:
        return Finding("memory", Verdict.FINE, says)
    return Finding(
        "memory",
        Verdict.WRONG,
        says,
        "serve fewer pipelines (tritonzoo serve --pipelines ...), or give machine or container more memory",
    )


def _largest_artifact(model: Model) -> int:
    """Bytes of the largest precision: an upper bound of what is served."""
    return max((path.stat().st_size for path in model.present_artifacts), default=0)


def _available_bytes(root: Path) -> int:
    fields = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    for name in CGROUP_LIMITS:
        path = root / name
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            available = min(available, int(text))
    return available


def shared_memory(models: Sequence[Model] = ()) -> Finding:
    """Tensors pass between the server and Python through /dev/shm."""
    stubs = max(1, preflight.stub_count(models))
    try:
        preflight.check_shared_memory(stubs)
    except PreflightError as error:
        says, _, remedy = str(error).partition(". ")
        return Finding("/dev/shm", Verdict.WRONG, says, remedy or "mount -t tmpfs tmpfs /dev/shm")
    return Finding("/dev/shm", Verdict.FINE, f"enough for {stubs} Python processes")


def disk(folder: Path | None = None) -> Finding:
    """Where sources and artifacts are kept."""
    folder = folder or cache_root()
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return Finding(
            "disk", Verdict.WRONG, f"{there} cannot be written", "set TRITONZOO_CACHE to a folder that can be"
        )
    says = f"{free / GIB:.0f} GiB free in {there}"
    if free >= DISK_BYTES:
        return Finding("disk", Verdict.FINE, says)
    return Finding(
        "disk",
        Verdict.NOTE,
        f"{says}; pulling and converting need about {DISK_BYTES // GIB}",
        "free some, or set TRITONZOO_CACHE to a folder on another disk",
    )
