"""ensemble_transcription: bench/transcription/peers.py measures it; its figures are taken into the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.peers.setup import Setup

PROGRAM = "bench/transcription/peers.py"
SETTINGS = ("1x2", "2x1", "1x2,batch=8")  # of faster-whisper
TOKENS = 64


def measured(
    setup: Setup, size: str, clients: list[int], rounds: int, precisions: list[str]
) -> dict[str, Any]:
    """Figures against faster-whisper and transformers; what is made for it is kept in the work folder."""
    target = setup.work / "speech.json"
    target.unlink(missing_ok=True)
    command = [
        *(sys.executable, PROGRAM, "--peer", setup.environments.python("speech")),
        *("--work", setup.work / "speech", "--size", size, "--rounds", rounds, "--tokens", TOKENS),
        *("--settings", *SETTINGS, "--clients", *clients, "--precisions", *precisions, "--json", target),
    ]
    subprocess.run([str(part) for part in command], cwd=setup.root, check=True)
    return taken(target)


def taken(figures: Path) -> dict[str, Any]:
    """What PROGRAM wrote with --json."""
    told = json.loads(figures.read_text("utf-8"))
    return {"title": "Speech to text", "pipeline": "ensemble_transcription", **told}
