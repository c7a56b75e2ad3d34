"""The calls that the pages of pipelines show, run as they stand there, against the served tree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from tests.server.conftest import ROOT
from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.errors import CallError
from tritonzoo.pages.calls import GRPC, HTTP, generic_python
from tritonzoo.pages.page import path_of
from tritonzoo.pages.parameters import parameters
from tritonzoo.pages.tables import callable_models
from tritonzoo.repository import Model, Repository

TREE = Repository.find(ROOT)
PIPELINES = callable_models(TREE)
WITH_PARAMETERS = [pipeline for pipeline in TREE.pipelines.values() if parameters(pipeline)]
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


@pytest.mark.parametrize("way", ["grpc", "http", "json"])
@pytest.mark.parametrize("pipeline", WITH_PARAMETERS, ids=lambda pipeline: pipeline.name)
def test_parameters_are_sent_as_a_page_says_and_a_wrong_one_is_refused_by_its_range(
    triton: EmbeddedTriton, pipeline: Model, way: str
) -> None:
    name, asked = next(
        (name, asked)
        for name, asked in parameters(pipeline).items()
        if asked.kind.startswith("a number from 0 ")
    )
    samples = np.zeros(1600, np.float32)

    with pytest.raises(CallError, match=f"parameter {name} is .*-1.*; it must be {asked.kind}"):
        ask(triton, pipeline, way, samples, {name: "-1"})
    with pytest.raises(CallError, match="there is no parameter no_such_thing"):
        ask(triton, pipeline, way, samples, {"no_such_thing": 1})
    ask(triton, pipeline, way, samples, {name: "0"})


def ask(
    triton: EmbeddedTriton, pipeline: Model, way: str, samples: np.ndarray, sent: dict[str, str | int]
) -> None:
    """Raises CallError with the server's sentence."""
    if way != "json":
        with Client(triton.grpc_url if way == "grpc" else triton.http_url) as client:
            client.infer(pipeline.name, {"waveform": samples}, parameters=sent)
        return
    body = json.dumps({"waveform": samples.tolist(), "parameters": sent}).encode()
    url = f"{triton.http_url}/v2/models/{pipeline.name}/generate"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        raise CallError(json.loads(error.read())["error"]) from None


@pytest.mark.parametrize("pipeline", list(TREE.pipelines.values()), ids=lambda pipeline: pipeline.name)
def test_the_made_python_code_is_answered_by_any_pipeline(triton: EmbeddedTriton, pipeline: Model) -> None:
    """Also where a README has code of its own, which takes its place on the page."""
    assert run(triton, [sys.executable, "-c"], generic_python(TREE, pipeline)).strip()
