"""Reference answers, made once for the same inputs and kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.peers.process import OFFLINE
from bench.peers.setup import Setup

PROGRAM = Path(__file__).parent / "served" / "reference.py"


def references(setup: Setup, task: str, model: str, inputs: Path) -> list[dict[str, Any]]:
    """What the library behind `task` (served/models.py) answers to each input, one batch, float32."""
    files = sorted(inputs.iterdir()) if inputs.is_dir() else [inputs]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    target = setup.work / f"reference-{task}-{digest}.json"
    if not target.is_file():
        environment = {**os.environ, **OFFLINE, "PYTHONPATH": str(setup.root / "src")}
        python = setup.environments.python("fastapi")
        subprocess.run([python, PROGRAM, task, model, inputs, target], check=True, env=environment)
    return list(json.loads(target.read_text("utf-8")))


def written(setup: Setup, name: str, texts: list[str]) -> Path:
    """Texts as a JSON file in the work folder."""
    path = setup.work / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts), "utf-8")
    return path
