"""The README's commands and code, run as they stand there, in order."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [str(ROOT / ".venv/bin/python"), "-c"]}


def test_every_block_is_run_or_is_one_that_cannot_be() -> None:
    """`make test` is what runs this, and Compose needs Docker; nothing else is left out."""
    left_out = [code for language, code in BLOCKS if language not in RUN and language != "text"]

    assert [line for code in left_out for line in code.splitlines() if line.startswith("$ ")] == [
        "$ docker-compose up -d",
        '$ curl --retry 60 --retry-all-errors --json \'{"text": "well done"}\''
        " localhost:8000/v2/models/ensemble_sentiment/generate",
        "$ make test",
        "$ make check",
    ]


def test_the_commands_do_what_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "160"}
    weights = os.environ.get("TRITONZOO_CACHE") or str(Path.home() / ".cache" / "tritonzoo")
    environment["TRITONZOO_CACHE"] = weights  # only the state of servers is kept apart
    try:
        for language, code in BLOCKS:
            if language in RUN:
                run = subprocess.run(
                    [*RUN[language], code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900,
                    check=False,
                )  # fmt: skip
                assert run.returncode == 0, f"{code}\n{run.stdout}\n{run.stderr}"
                said.append(run.stdout + run.stderr)
    finally:
        subprocess.run(
            [ROOT / ".venv/bin/tritonzoo", "stop"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
        )

    told = "\n".join(said)
    assert "every pipeline answered" in told
    assert '"label":"positive"' in told
    assert re.search(r'"embedding": \[-?0\.\d+', told)
    assert "stopped the server" in told
