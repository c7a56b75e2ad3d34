"""What the images install is what the code needs, pinned, and what was tested."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11")  # of NVIDIA's image, and of the CPU image
SERVED = ("backends/**/*.py", "model_repository/*/1/*.py", "src/tritonzoo/runtime/**/*.py")
TRITON = "nvidia-pytriton"  # installed by the Dockerfile itself, for its server alone


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


CHECK = module(ROOT / "base_image" / "check_packages.py")
LINES = [
    Requirement(line)
    for line in (ROOT / "base_image/requirements.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]


def pins(python: str) -> dict[str, str]:
    """Version by package, for one version of Python."""
    environment = {"python_version": python}
    return {
        canonicalize_name(line.name): next(iter(line.specifier)).version
        for line in LINES
        if line.marker is None or line.marker.evaluate(environment)
    }


def declared() -> list[Requirement]:
    """What pyproject.toml asks for: the core and the extra `serve`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["serve"]]


def left_out(package: str) -> set[str]:
    return {canonicalize_name(name) for name in CHECK.LEFT_OUT.get(package, ())}


def test_every_package_is_pinned_to_one_version() -> None:
    assert all(str(line.specifier).startswith("==") and len(line.specifier) == 1 for line in LINES)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_what_pyproject_asks_for(python: str) -> None:
    pinned = pins(python)
    for requirement in declared():
        name = canonicalize_name(requirement.name)
        if name != TRITON and name not in left_out("tritonzoo"):
            assert name in pinned, f"{name}: pin it in base_image/requirements.txt"
            assert requirement.specifier.contains(pinned[name]), (
                f"{requirement}, but {pinned[name]} is pinned"
            )


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    installed = {name: importlib.metadata.version(name) for name in pins("3.11")}
    assert installed == pins("3.11"), "pin in base_image/requirements.txt what is installed"


def test_no_two_packages_conflict_and_what_one_needs_is_there() -> None:
    pinned = pins("3.11")
    for name in pinned:
        for line in importlib.metadata.requires(name) or ():
            requirement = Requirement(line)
            needed = canonicalize_name(requirement.name)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            if needed in left_out(name):
                continue
            assert needed in pinned, (
                f"{name} needs {requirement}: pin it, or say in check_packages.py why not"
            )
            assert requirement.specifier.contains(pinned[needed], prereleases=True), f"{name}: {requirement}"


def test_whatever_runs_inside_triton_imports_is_in_the_image() -> None:
    packages = importlib.metadata.packages_distributions()
    pinned = pins("3.11")
    for pattern in SERVED:
        for path in ROOT.glob(pattern):
            for name in imported(path) - set(sys.stdlib_module_names):
                owners = {canonicalize_name(owner) for owner in packages.get(name, ())}
                assert not owners or owners & {*pinned, "tritonzoo"}, f"{path} imports {name}: pin {owners}"


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_a_conflict_is_told_and_what_is_left_out_is_not() -> None:
    report = (
        "onnxruntime 1.23.2 requires sympy, which is not installed.\n"
        "tritonclient 2.73.0 has requirement numpy<2, but you have numpy 2.1.\n"
        "rich 15.0.0 requires pygments, which is not installed.\n"
    )
    assert CHECK.conflicts(report) == report.splitlines()[1:]
    assert CHECK.conflicts("No broken requirements found.\n") == []


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cpu"])
def test_an_image_ends_unprivileged_and_says_how_it_is(name: str) -> None:
    last = (ROOT / "base_image" / name).read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.M) == ["10001:10001"]
    assert "HEALTHCHECK" in last and "STOPSIGNAL SIGTERM" in last
    assert "pip install" not in last and "torch" not in last
