"""`tritonzoo soak` on a real server: half a minute of everything at once is clean, and a leak is found."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
TRITONZOO = ROOT / ".venv/bin/tritonzoo"


def test_half_a_minute_of_everything_at_once_is_answered_without_an_error(tmp_path: Path) -> None:
    """Errors only: growth wants more time, which `make soak` gives it."""
    run = subprocess.run(
        [TRITONZOO, "soak", "--minutes", "0.5", "--save", tmp_path / "s.json", "--plot", tmp_path / "s.png"],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert (tmp_path / "s.json").is_file(), run.stderr
    found = json.loads((tmp_path / "s.json").read_text())
    tree = Repository(ROOT)
    assert found["pipelines"].keys() == {*tree.pipelines, *tree.streams}
    for name, one in found["pipelines"].items():
        assert one["errors"] == 0, (name, one["first_errors"])
        assert one["answered"] > 0, name
    assert sum(one["refused"] for one in found["pipelines"].values()) > 0
    assert sum(one["left"] for one in found["pipelines"].values()) > 0
    assert next(check["is_kept"] for check in found["checks"] if check["what"] == "errors")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert "✓" in run.stdout
