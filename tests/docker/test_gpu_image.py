"""The GPU image, as far as it goes without NVIDIA's: built on a base of the same layout, and serving on the CPU."""

from __future__ import annotations

import time

import pytest

from tests.docker.stack import ROOT, Stack, call, docker, inspect, logs

BASE = "localhost/tritonserver:standin"
IMAGE = "tritonzoo:gpu-standin"


@pytest.fixture(scope="module")
def image(images: dict[str, str]) -> str:
    python = images.get("PYTHON_IMAGE", "python:3.11-slim-bookworm")
    recipe = (ROOT / "tests/docker/standin.Dockerfile").read_text()
    docker("build", "--tag", BASE, "--build-arg", f"PYTHON_IMAGE={python}", "-", input_text=recipe)
    docker(
        "build", "--tag", IMAGE, "--file", "base_image/Dockerfile", "--build-arg", f"BASE_IMAGE={BASE}", "."
    )
    return IMAGE


def test_it_serves_with_the_base_s_own_server_and_native_backend(image: str, stack: Stack) -> None:
    tree = [
        word
        for name in ("model_repository", "ensembles", "backends")
        for word in ("-v", f"{ROOT}/{name}:/tree/{name}:ro")
    ]
    container = docker(
        "run", "--detach", "--read-only", "--tmpfs", "/tmp:size=64m,mode=1777", "--cap-drop", "ALL", "--shm-size", "1g",
        "--network", stack.project, "--env", "TRITONZOO_PROFILE=cpu-fp32",
        "--env", "TRITONZOO_PIPELINES=ensemble_handwriting,ensemble_sentiment", *tree, image,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while inspect(container)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline and inspect(container)["State"]["Running"], logs(container)
            time.sleep(0.3)
        answer = call(8000, "ensemble_sentiment", {"text": "well done"}, host=stack.address(container))
        assert answer["label"] == "positive"
        links = docker(
            "exec", container, "sh", "-c", "readlink -f /tmp/tritonzoo/tritonzoo/servers/*/backends/*"
        ).split()
        assert (
            "/opt/tritonserver/backends/onnxruntime" in links and "/opt/tritonserver/backends/python" in links
        )
        assert any(
            link.endswith("/backends/tokenizer") and not link.startswith("/opt/tritonserver")
            for link in links
        )
    finally:
        docker("rm", "--force", container)


def test_a_gpu_profile_is_not_refused_there(image: str) -> None:
    """What stops it is the missing GPU and artifacts, not the preflight check that the embedded server has."""
    code = "from tritonzoo.embedded.preflight import check_profile; check_profile('gpu-onnx-fp16'); print('fine')"
    assert docker("run", "--rm", "--entrypoint", "python3", image, "-c", code) == "fine"


@pytest.mark.parametrize("which", ["v1", "v2"])
def test_the_gpu_file_is_valid(which: str, request: pytest.FixtureRequest) -> None:
    files = ("docker-compose.yml", "docker-compose.gpu.yml")
    if which == "v1":
        text = Stack("gpu", files=files)("config")
    else:
        text = Stack("gpu", ("docker", "compose"), files, env=request.getfixturevalue("compose_v2"))("config")
    assert "capabilities:" in text and "base_image/Dockerfile" in text and "memlock: -1" in text
