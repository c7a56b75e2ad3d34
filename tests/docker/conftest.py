"""Images are built once, and one stack of two replicas serves most tests.

deploy/ci_docker.sh prepares a bare machine. While working on the tests, IMAGES=built takes the images that are there,
and KEEP_STACK=yes leaves the stack up for the next run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.stack import ROOT, Stack, docker, run

HERE = Path(__file__).parent
BASES = {"PYTHON_IMAGE": "localhost/python:3.11-bookworm", "DEBIAN_IMAGE": "localhost/debian:bookworm"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder gives the marker."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def bases() -> dict[str, str]:
    """What to build on: what the environment says, else the bases that deploy/ci_docker.sh makes, where they are."""
    docker("info")
    local = {name: image for name, image in BASES.items() if docker("images", "-q", image)}
    return {name: os.environ[name] for name in BASES if name in os.environ} or local


@pytest.fixture(scope="session")
def images(bases: dict[str, str]) -> dict[str, str]:
    """Builds triton and the edge, unless IMAGES=built; returns the environment that names their bases."""
    if os.environ.get("IMAGES") == "built":
        return bases
    began = time.monotonic()
    Stack("tritonzoo-build", env=bases)("build", "triton", "edge")
    print(f"\nimages built in {time.monotonic() - began:.0f} s (cached layers are not built again)")
    return bases


@pytest.fixture(scope="session")
def stack(images: dict[str, str]) -> Iterator[Stack]:
    """Two replicas behind an edge without keys and TLS, for all tests that leave it as it was."""
    one = Stack("tritonzoo-test", env={**images, "TRITONZOO_DRAIN_S": "20"})
    try:
        began = time.monotonic()
        one.up("edge", replicas=2)
        print(f"\nfrom up to healthy, two replicas: {time.monotonic() - began:.1f} s")
        yield one
    finally:
        if os.environ.get("KEEP_STACK") != "yes":
            one.down()
            assert left_behind(one) == []


def left_behind(stack: Stack) -> list[str]:
    """What a `down` has left of a stack."""
    label = f"label=com.docker.compose.project={stack.project}"
    found = docker("ps", "--all", "--quiet", "--filter", label).split()
    found += docker("network", "ls", "--quiet", "--filter", label).split()
    return found + docker("volume", "ls", "--quiet", "--filter", label).split()


@pytest.fixture(scope="session")
def compose_v2() -> dict[str, str]:
    """Environment under which `docker compose` is Compose v2 (deploy/get_compose_v2.sh puts it there)."""
    config = {"DOCKER_CONFIG": os.environ.get("COMPOSE_V2", str(ROOT / ".compose-v2"))}
    version = run("docker", "compose", "version", "--short", env=config, check=False)
    assert version.lstrip("v").startswith("2."), (
        "Compose v2 is not there; get it with deploy/get_compose_v2.sh .compose-v2"
    )
    return config
