"""The tree behind the edge: every pipeline answers, as an unprivileged process that comes back when it dies."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from tests.docker.answers import REPOSITORY, SAMPLES, STREAMED, ask
from tests.docker.stack import Stack, call, docker, get, inspect
from tritonzoo.samples import Sample

TEXT = {"text": "well done"}


@pytest.mark.parametrize(("pipeline", "sample"), SAMPLES, ids=str)
def test_every_pipeline_answers_over_http_and_grpc_through_the_edge(
    stack: Stack, pipeline: str, sample: Sample
) -> None:
    ask(stack, pipeline, sample)


def test_no_pipeline_is_left_out() -> None:
    assert {name for name, _ in SAMPLES} == set(REPOSITORY.pipelines)
    assert set(STREAMED) == set(REPOSITORY.streams)


def test_the_container_has_no_privileges_and_writes_nowhere(stack: Stack) -> None:
    container = stack.containers()[0]
    status = docker("exec", container, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+10001\b", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^CapBnd:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
    for place in ("/", "/opt/venv", "/tree/model_repository", "/opt/tritonzoo/tree"):
        said = docker("exec", container, "sh", "-c", f"touch {place}/x 2>&1; true")
        assert "Read-only file system" in said or "Permission denied" in said, (place, said)


def test_the_admin_key_is_not_in_the_process_list(stack: Stack) -> None:
    lines = docker(
        "exec", stack.containers()[0], "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"
    ).splitlines()
    restricted = [line for line in lines if "admin-key" in line]
    assert any("tritonserver" in line for line in lines)
    assert all(set(line.partition("admin-key=")[2]) <= {"x"} for line in restricted), restricted


def test_a_dead_python_process_is_brought_back_and_counted(stack: Stack) -> None:
    container = stack.containers()[0]
    address = stack.address(container)
    counter = 'tritonzoo_model_restarts_total{model="sentiment_label"} '
    before = int(get(8003, "/metrics", address)[1].partition(counter)[2].split()[0])
    kill = "for p in /proc/[0-9]*; do grep -qa '[s]entiment_label_0' $p/cmdline && kill -9 ${p#/proc/}; done; true"
    docker("exec", container, "sh", "-c", kill)
    began = time.monotonic()
    while True:
        assert time.monotonic() - began < 30
        try:
            assert call(8000, "ensemble_sentiment", TEXT, host=address)["label"] == "positive"
        except AssertionError:
            continue
        if f"{counter}{before + 1}\n" in get(8003, "/metrics", address)[1]:
            break
    print(f"back after {time.monotonic() - began:.1f} s")
    assert get(8003, "/ready", address) == (200, "ready\n")


def test_every_replica_gets_its_share(stack: Stack) -> None:
    def calls() -> list[float]:
        texts = [get(8002, "/metrics", stack.address(one))[1] for one in stack.containers()]
        found = [
            re.search(r'nv_inference_count\{model="ensemble_sentiment".*\} (\S+)', text) for text in texts
        ]
        return [float(one[1]) for one in found if one]

    before = calls()
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:  # one connection
        text = grpcclient.InferInput("text", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"good"]], dtype=object))
        for _ in range(10):
            call(stack.http, "ensemble_sentiment", TEXT)
            client.infer("ensemble_sentiment", [text])
    assert [now - then for now, then in zip(calls(), before, strict=True)] == [10, 10]


def test_the_image_has_no_torch_and_is_under_700_mb_with_its_artifacts(stack: Stack) -> None:
    image = inspect(stack.containers()[0])["Image"]
    size_mb = inspect(image)["Size"] / 1e6
    print(f"image: {size_mb:.0f} MB")
    assert size_mb < 700
    code = (
        "import importlib.util as u; print([m for m in ('torch', 'transformers', 'pip') if u.find_spec(m)])"
    )
    assert docker("exec", stack.containers()[0], "python3", "-c", code) == "[]"
