"""The calls that the pages of pipelines show, run as they stand there, against the served tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.server.conftest import ROOT
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.pages.calls import GRPC, HTTP, generic_python
from tritonzoo.pages.page import path_of
from tritonzoo.pages.tables import callable_models
from tritonzoo.repository import Model, Repository

TREE = Repository.find(ROOT)
PIPELINES = callable_models(TREE)
PROGRAMS = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]])


def blocks(pipeline: Model, language: str) -> list[str]:
    text = path_of(TREE, pipeline).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(triton: EmbeddedTriton, command: list[str], code: str) -> str:
    """What the code prints when it runs in the root, with this server's ports in place of the usual ones."""
    http, grpc = (url.removeprefix("http://") for url in (triton.http_url, triton.grpc_url))
    done = subprocess.run(
        [*command, code.replace(HTTP, http).replace(GRPC, grpc)], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=120, env={**os.environ, "PATH": PROGRAMS, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_the_shell_lines_of_a_page_are_answered(triton: EmbeddedTriton, pipeline: Model) -> None:
    (code,) = blocks(pipeline, "sh")

    # `generate` has no status that curl would fail for, so the answer itself is looked at
    said = run(
        triton,
        ["bash", "-euo", "pipefail", "-c"],
        code.replace("tritonzoo infer", f"tritonzoo infer --url {GRPC}"),
    )

    assert '"error"' not in said
    for tensor in pipeline.config.output:
        assert f'"{tensor.name}"' in said


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_the_python_code_of_a_page_prints_an_answer(triton: EmbeddedTriton, pipeline: Model) -> None:
    (code,) = blocks(pipeline, "python")

    assert run(triton, [sys.executable, "-c"], code).strip()


@pytest.mark.parametrize("pipeline", list(TREE.pipelines.values()), ids=lambda pipeline: pipeline.name)
def test_the_made_python_code_is_answered_by_any_pipeline(triton: EmbeddedTriton, pipeline: Model) -> None:
    """Also where a README has code of its own, which takes its place on the page."""
    assert run(triton, [sys.executable, "-c"], generic_python(TREE, pipeline)).strip()
