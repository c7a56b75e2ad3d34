"""Every pipeline of the tree answers its samples, by the very lines that `serve` prints: found, never listed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tritonzoo import Client
from tritonzoo.announce import curl_line, python_line
from tritonzoo.repository import Model, Repository
from tritonzoo.samples import samples

REPOSITORY = Repository.find(Path(__file__).parent)
PIPELINES = list(REPOSITORY.pipelines.values())


def shell(line: str) -> str:
    run = subprocess.run(
        ["bash", "-c", line], cwd=REPOSITORY.root, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_every_sample_is_answered_alike_over_grpc_and_http(triton, pipeline: Model) -> None:
    given = samples(REPOSITORY, pipeline)
    assert given, f"put a few real inputs into data_samples/{pipeline.name}"

    with Client(triton.grpc_url) as grpc, Client(triton.http_url) as http:
        for sample in given:
            answers = [client.infer(pipeline.name, {sample.tensor: sample.value}) for client in (grpc, http)]
            assert {tensor.name for tensor in pipeline.config.output} == set(answers[0])
            for name, tensor in answers[0].items():
                if tensor.dtype == object:
                    assert tensor.tolist() == answers[1][name].tolist()
                else:
                    np.testing.assert_allclose(tensor, answers[1][name], atol=1e-5)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_the_printed_lines_work_as_they_are(triton, pipeline: Model) -> None:
    for sample in samples(REPOSITORY, pipeline):
        answer = json.loads(shell(curl_line(pipeline, sample, triton.http_url)))
        assert "error" not in answer
        printed = shell(python_line(pipeline, sample, triton.grpc_url))
        for tensor in pipeline.config.output:
            assert tensor.name in answer
            assert f"'{tensor.name}': array(" in printed
