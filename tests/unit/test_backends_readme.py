"""backends/README.md names every backend and every parameter that its code reads, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BACKENDS = Path(__file__).parents[2] / "backends"
ONNX_SESSION = Path(__file__).parents[2] / "src" / "tritonzoo" / "runtime" / "onnx" / "session.py"
README = (BACKENDS / "README.md").read_text(encoding="utf-8")
FAMILIES = sorted(path.parent.name for path in BACKENDS.glob("*/model.py"))

_READ = re.compile(r'(?:parameter|parameters\.get)\(\s*"([^"]+)"')


def parameters_read(family: str) -> set[str]:
    """What the backend's own code reads, and what it reads through the session that it opens."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (BACKENDS / family).glob("*.py"))
    if family == "onnxruntime":
        source += ONNX_SESSION.read_text(encoding="utf-8")
    return set(_READ.findall(source))


def section(family: str) -> str:
    found = re.search(rf"^## {family}\n(.*?)(?=^## |\Z)", README, flags=re.DOTALL | re.MULTILINE)
    assert found, f"backends/README.md has no section '## {family}'"
    return found[1]


def parameters_documented(family: str) -> set[str]:
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", section(family), flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


# Read in a loop, under names that the pattern above does not see.
CUDA = {"gpu_mem_limit", "arena_extend_strategy", "cudnn_conv_algo_search", "do_copy_in_default_stream"}
BY_PREFIX = {"session.*"}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tables_name_exactly_the_parameters_that_the_code_reads(family: str) -> None:
    looped = CUDA | BY_PREFIX if family == "onnxruntime" else set()
    assert parameters_documented(family) == parameters_read(family) | looped


def test_parameters_read_in_a_loop_are_those_listed_here() -> None:
    source = ONNX_SESSION.read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in CUDA)
    assert 'with_prefix("session.")' in source


def test_every_backend_is_in_the_first_table() -> None:
    assert sorted(re.findall(r"^\| \[`(\w+)`\]", README, flags=re.MULTILINE)) == FAMILIES
