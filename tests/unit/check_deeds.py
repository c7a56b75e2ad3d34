"""What can be done to the sound tree of `check_tree`, and how to say what must be found then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.check_tree import PLAIN_CODE, write_check_tree
from tritonzoo.check import check
from tritonzoo.lock import sha256_of
from tritonzoo.repository import Repository

Deed = Callable[[Path], Any]
MODELS = "model_repository"
RECIPE = f"{MODELS}/scores/recipe.py"


@dataclass(frozen=True)
class Found:
    """What is done to the tree, and the findings that must follow: these rules, the first in that file."""

    deed: Deed
    rules: str
    file: str
    told: str = ""  # words of the first one's message and remedy
    line: int | None = None


def config(name: str) -> str:
    folder = "ensembles" if name in ("classify", "listen", "write", "ask") else MODELS
    return f"{folder}/{name}/config.pbtxt"


def code(name: str) -> str:
    return f"{MODELS}/{name}/1/model.py"


def swapped(file: str, old: str, new: str) -> Deed:
    """A text of a file replaced by another; the artifacts are taken for those of a changed recipe."""

    def swap(root: Path) -> None:
        text = (root / file).read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        (root / file).write_text(text.replace(old, new), "utf-8", newline="")
        if file == RECIPE:
            relock(root)

    return swap


def relock(root: Path) -> None:
    lock = root / MODELS / "scores" / "artifacts.lock"
    fields = json.loads(lock.read_text())
    lock.write_text(json.dumps({**fields, "recipe_sha256": sha256_of(root / RECIPE), "pins_sha256": ""}))


def added(file: str, text: str) -> Deed:
    return lambda root: (root / file).write_text((root / file).read_text("utf-8") + text, "utf-8")


def written(file: str, content: str | bytes) -> Deed:
    def write(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def removed(file: str) -> Deed:
    return lambda root: (root / file).unlink()


def a_folder(file: str) -> Deed:
    """The file is a folder instead."""

    def change(root: Path) -> None:
        (root / file).unlink()
        (root / file).mkdir()

    return change


def a_link_to_nothing(file: str) -> Deed:
    def change(root: Path) -> None:
        (root / file).unlink(missing_ok=True)
        (root / file).symlink_to("gone")

    return change


def renamed(file: str, name: str) -> Deed:
    return lambda root: (root / file).rename((root / file).with_name(name))


def all_of(*deeds: Deed) -> Deed:
    return lambda root: [deed(root) for deed in deeds]


def a_model(name: str, inputs: str = "", outputs: str = "", *, rows: int = 0, lines: str = "") -> Deed:
    """A plain Python model of numbers more."""
    inputs = inputs or '{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }'
    outputs = outputs or '{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
    text = (
        f'# One more.\nbackend: "python"\nmax_batch_size: {rows}\ninput [ {inputs} ]\noutput [ {outputs} ]\n'
    )
    return all_of(
        written(f"{MODELS}/{name}/config.pbtxt", text + lines),
        written(f"{MODELS}/{name}/1/model.py", PLAIN_CODE),
    )


def an_ensemble(name: str, *steps: str, inputs: str = "", outputs: str = "", rows: int = 0) -> Deed:
    """One more ensemble; a step is `member: x=ours -> y=ours`."""
    inputs = inputs or '{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }'
    outputs = outputs or '{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
    text = (
        f'# One more.\nplatform: "ensemble"\nmax_batch_size: {rows}\ninput [ {inputs} ]\noutput [ {outputs} ]\n'
        "ensemble_scheduling { step [\n" + ",\n".join(map(_step, steps)) + "\n] }\n"
    )
    return all_of(
        written(f"ensembles/{name}/config.pbtxt", text), written(f"ensembles/{name}/1/.gitkeep", "")
    )


def _step(step: str) -> str:
    member, _, maps = step.partition(": ")
    fields = []
    for name, entries in zip(("input_map", "output_map"), maps.split(" -> "), strict=True):
        for entry in entries.split(", "):
            key, _, value = entry.partition("=")
            fields.append(f'{name} {{ key: "{key}" value: "{value}" }}')
    return f'  {{ model_name: "{member}" model_version: -1 {" ".join(fields)} }}'


def assert_found(root: Path, expected: Found) -> None:
    """Do the deed; nothing but the expected rules tells of it, the first in its file, with its words."""
    write_check_tree(root)
    expected.deed(root)

    findings = check(Repository(root))

    told = "\n".join(map(str, findings))
    rules = expected.rules.split()
    assert sorted(finding.rule for finding in findings) == sorted(rules), told
    here = [finding for finding in findings if (finding.rule, finding.path) == (rules[0], expected.file)]
    assert here, told
    assert any(expected.told in f"{finding.message}; {finding.remedy}" for finding in here), told
    if expected.line is not None:
        assert expected.line in [finding.line for finding in here], told
