"""What linters say of the Dockerfiles, compose files and scripts; none of it needs a running container."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.docker.stack import ROOT, Stack, run

DOCKERFILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("base_image", "deploy", "tests/docker")
    for path in (ROOT / folder).rglob("*Dockerfile*")
)
SCRIPTS = [
    ".ci/run",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for folder in ("base_image", "deploy")
        for path in (ROOT / folder).rglob("*.sh")
    ),
]
COMPOSE_FILES = sorted(path.name for path in ROOT.glob("docker-compose*.yml"))


def tool(name: str) -> str:
    """A linter out of the development extra, beside this Python, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    assert found, f"{name} is not installed; pip install 'tritonzoo[dev]'"
    return found


@pytest.mark.parametrize("path", DOCKERFILES)
def test_hadolint_finds_nothing(path: str) -> None:
    assert run(tool("hadolint"), path) == ""


@pytest.mark.parametrize("path", SCRIPTS)
def test_shellcheck_finds_nothing(path: str) -> None:
    assert run(tool("shellcheck"), path) == ""


@pytest.mark.parametrize("path", COMPOSE_FILES)
def test_the_compose_specification_is_kept(path: str) -> None:
    assert "ok" in run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path)


@pytest.mark.parametrize("files", [COMPOSE_FILES[-1:], COMPOSE_FILES[::-1]], ids=["cpu", "gpu"])
def test_both_versions_of_compose_read_the_files_alike(files: list[str], compose_v2: dict[str, str]) -> None:
    first = Stack("same", files=tuple(files))
    second = Stack("same", ("docker", "compose"), tuple(files), env=compose_v2)
    services = ("--profile", "monitoring", "config", "--services")
    assert set(first(*services).split()) == set(second(*services).split()) == {"triton", "edge", "prometheus"}
    second("config", "--quiet")
