"""Trees of 1 to 40 models: how long they take to start and what they hold, before anybody asks.

Of each size a tree of the smallest Python model, and one of copies of `handwriting`, a graph of 0.6 MB.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.growth.plotting import number
from tests.server.toys import MODEL, write_model

from tritonzoo.bench.resources import processor
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.soak.watch import SERVER, look

SIZES = (1, 2, 5, 10, 20, 40)
KEYS = tuple(f"{kind} {size}" for kind in ("python", "onnx") for size in SIZES)
GRAPH = "handwriting"


@contextmanager
def session() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tritonzoo-growth-") as folder:
        yield Path(folder)


def measure(folder: Path, key: str) -> list[dict[str, Any]]:
    kind, size = key.split()
    tree, root = Repository.find(), Path(tempfile.mkdtemp(dir=folder))
    for index in range(int(size)):
        add(tree, root, kind, f"model_{index}")
    (root / "ensembles").mkdir()
    (root / "backends").symlink_to(tree.root / "backends")
    return [{"kind": kind, "models": int(size), **started(root)}]


def add(tree: Repository, root: Path, kind: str, name: str) -> None:
    if kind == "python":
        write_model(root, name, MODEL.format(work="pass"))
        return
    source = tree.model(GRAPH).folder
    shutil.copytree(
        source, root / "model_repository" / name, ignore=shutil.ignore_patterns("configs", "logs")
    )


def started(root: Path) -> dict[str, Any]:
    """Start it, look, stop it."""
    triton = EmbeddedTriton(ServeOptions(root, Ports.free()))
    before, start_s = processor([]), time.perf_counter()
    triton.start()
    took_s = time.perf_counter() - start_s
    with triton:
        seen = look(triton)
        stop_s = time.perf_counter()
    memory = seen.memory_bytes
    return {
        "start_s": took_s,
        "stop_s": time.perf_counter() - stop_s,
        "memory_mb": sum(memory.values()) / 1e6,
        "server_mb": memory[SERVER] / 1e6,
        "shm_mb": seen.shm_bytes / 1e6,
        "handles": sum(seen.handles.values()),
        "threads": sum(seen.threads.values()),
        "cpu_s": seen.used.server_s,
        "other_cores": ((seen.used - before).others_s or 0.0) / (seen.at_s - start_s),
    }


def draw(figure: Any, rows: list[dict[str, Any]]) -> None:
    start, memory = figure.subplots(1, 2)
    for kind, label in (("python", "a trivial Python model"), ("onnx", "a graph of 0.6 MB")):
        of = [one for one in rows if one["kind"] == kind]
        sizes = [one["models"] for one in of]
        start.plot(sizes, [one["start_s"] for one in of], "o-", label=label)
        memory.plot(sizes, [one["memory_mb"] for one in of], "o-", label=label)
    start.set_title("seconds until ready", loc="left")
    memory.set_title("memory, MB (PSS)", loc="left")
    for axes in (start, memory):
        axes.set_xlabel("models in the tree")
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.legend(frameon=False)


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    head = [
        "models",
        "of",
        "ready after s",
        "s a further model",
        "memory MB",
        "MB a further model",
        "CPU s",
        "stopped after s",
    ]
    body = []
    before: dict[str, dict[str, Any]] = {}
    for one in rows:
        last = before.get(one["kind"])
        more = one["models"] - last["models"] if last else 0
        body.append(
            [
                str(one["models"]),
                {"python": "Python", "onnx": "ONNX, 0.6 MB"}[one["kind"]],
                number(one["start_s"]),
                number((one["start_s"] - last["start_s"]) / more) if last else "",
                f"{one['memory_mb']:.0f}",
                number((one["memory_mb"] - last["memory_mb"]) / more) if last else "",
                number(one["cpu_s"]),
                number(one["stop_s"]),
            ]
        )
        before[one["kind"]] = one
    return [head, *body]
