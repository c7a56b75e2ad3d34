"""A tree with the transcription pipelines over a Whisper of real dimensions and random weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tritonzoo.repository import Repository
from tritonzoo.speech.random_checkpoint import write_random_checkpoint

ROOT = Repository.find(Path(__file__).parent).root
WHISPER = ("whisper_encoder", "whisper_decoder")
RECIPE = """
from tritonzoo.recipe import Starter

recipe = replace(recipe, sources={"starter": Starter("whisper/random")})
"""


def random_tree(folder: Path, size: str, precisions: tuple[str, ...]) -> tuple[Path, Path]:
    """The tree's root and the checkpoint; made only where `folder` does not have them yet.

    size: of `write_random_checkpoint`, such as small.
    """
    root = folder / f"tree-{size}"
    checkpoint = root / "starters" / "whisper" / "random"
    if not (checkpoint / "config.json").is_file():
        write_random_checkpoint(checkpoint, size)
        _copy_models(root)
    commands = Path(sys.executable).with_name("tritonzoo")
    made = [root / "model_repository" / name / "artifacts.lock" for name in WHISPER]
    if not all(lock.is_file() for lock in made):
        subprocess.run(
            [commands, "convert", *WHISPER, "--precision", ",".join(precisions)],
            env={**os.environ, "TRITONZOO_ROOT": str(root)},
            check=True,
        )
    return root, checkpoint


def _copy_models(root: Path) -> None:
    ignored = shutil.ignore_patterns("configs", "__pycache__", "logs")
    made = shutil.ignore_patterns(
        "configs", "__pycache__", "logs", "*.onnx", "artifacts.lock", "ledger.json", "golden.npz"
    )
    shutil.copytree(
        ROOT / "model_repository/silero_vad", root / "model_repository/silero_vad", ignore=ignored
    )
    for name in WHISPER:
        copy = root / "model_repository" / name
        shutil.copytree(ROOT / "model_repository" / name, copy, ignore=made)
        recipe = copy / "recipe.py"
        recipe.write_text(
            recipe.read_text("utf-8").replace(
                "from pathlib import Path\n", "from dataclasses import replace\nfrom pathlib import Path\n", 1
            )
            + RECIPE,
            "utf-8",
        )
    for name in ("ensemble_transcription", "transcription_stream"):
        shutil.copytree(ROOT / "ensembles" / name, root / "ensembles" / name, ignore=ignored)
    (root / "backends").symlink_to(ROOT / "backends")
