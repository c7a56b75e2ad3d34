"""ensemble_transcription: bench/transcription/peers.py measures it; its figures are taken into the page."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.peers.setup import Setup

PROGRAM = "bench/transcription/peers.py"
LIBRARIES = ("faster-whisper", "ctranslate2", "transformers", "torch", "fastapi")
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
        *("--clients", *clients, "--precisions", *precisions, "--save", target),
    ]
    subprocess.run([str(part) for part in command], cwd=setup.root, check=True)
    return {
        "title": "Speech to text",
        "pipeline": "ensemble_transcription",
        "size": size,
        "tokens": TOKENS,
        "versions": setup.environments.versions("speech", LIBRARIES),
        "figures": json.loads(target.read_text("utf-8")),
    }
