"""The walk-through of CONTRIBUTING.md, word for word: from nothing to a served pipeline of one's own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scaffolds.conftest import ROOT

pytestmark = pytest.mark.server
BLOCK = re.compile(
    r"^### From nothing to a served pipeline\n.*?^```sh\n(?P<commands>.*?)^```$", re.DOTALL | re.MULTILINE
)
MADE = (".onnx", ".onnx.data", "tokenizer.json", "artifacts.lock", "ledger.json")  # by `make setup`


def commands() -> str:
    found = BLOCK.search((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert found is not None, "CONTRIBUTING.md has no section '### From nothing to a served pipeline'"
    return found["commands"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What is under version control, and the artifacts of the models that the walk-through builds on."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    for model in ("sentence_tokenizer", "sentence_transformer"):
        for path in (ROOT / "model_repository" / model).rglob("*"):
            if path.name.endswith(MADE):
                target = tmp_path / path.relative_to(ROOT)
                target.unlink(missing_ok=True)
                target.symlink_to(path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def test_the_walk_through_leads_to_a_served_pipeline(
    clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    free = []
    for port in (8000, 8001, 8002):  # the walk-through uses Triton's own
        with socket.socket() as probe:
            free.append(probe.connect_ex(("127.0.0.1", port)) != 0)
    if not all(free):
        pytest.skip("a server listens on ports 8000 to 8002; stop it")
    environment = {key: value for key, value in os.environ.items() if key != "TRITONZOO_ROOT"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "OMP_NUM_THREADS": "1"}

    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands()],
        cwd=clone, env=environment, text=True, capture_output=True, timeout=1800,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"What a day\.\W+0\W+0\.5\b", result.stdout), "the mean of two classes' probabilities"
