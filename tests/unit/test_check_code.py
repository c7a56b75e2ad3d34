"""Faults in what a person programs: models in Python, and recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.check_deeds import RECIPE, Deed, Found, assert_found, code, config, removed, swapped, written
from tests.unit.check_tree import PLAIN_CODE, write_check_tree
from tritonzoo.check import check
from tritonzoo.repository import Repository

STREAM, TOKENS = code("stream"), code("tokens")
PROFILE = '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32))'


def profile(text: str) -> Deed:
    return swapped(RECIPE, PROFILE, f'"input_ids": Shapes({text})')


def before_the_class(line: str) -> Deed:
    return written(STREAM, f"{line}\n\n\n{PLAIN_CODE}")


def above_the_recipe(lines: str) -> Deed:
    return swapped(RECIPE, "recipe = Recipe(", lines + "\nrecipe = Recipe(")


BROKEN = {
    # models in Python
    "an empty file": Found(written(STREAM, ""), "python-class", STREAM, "write class TritonPythonModel"),
    "a class of other capitals": Found(
        swapped(STREAM, "TritonPythonModel", "TritonPythonmodel"), "python-class", STREAM, "there is TritonPythonmodel"),
    "a class within a function": Found(
        written(STREAM, "def make():\n    class TritonPythonModel:\n        def execute(self, requests): ...\n"), "python-class", STREAM),
    "a method beside the class": Found(
        written(STREAM, "class TritonPythonModel: ...\n\n\ndef execute(self, requests): ...\n"), "python-answers", STREAM, "define execute"),
    "a base that nothing defines": Found(
        swapped(TOKENS, "(PythonModel)", "(PythonModle)"), "python-base-unknown", TOKENS, "correct the name"),
    "execute without the requests": Found(
        swapped(STREAM, "self, requests", "self"), "python-triton-calls", STREAM, "write def execute(self, requests)"),
    "initialize without its arguments": Found(
        written(STREAM, PLAIN_CODE + "\n    def initialize(self): ...\n"), "python-triton-calls", STREAM, "initialize(self, args)"),
    "finalize with arguments": Found(
        written(STREAM, PLAIN_CODE + "\n    def finalize(self, args): ...\n"), "python-triton-calls", STREAM, "finalize(self)"),
    "a module that nobody has": Found(before_the_class("import numppy"), "python-import-unknown", STREAM, "did you mean numpy?", 1),
    "a module that was left out": Found(
        removed("model_repository/windows/1/cutter.py"), "python-import-unknown", code("windows"), "imports cutter"),
    "torch in initialize": Found(
        written(STREAM, PLAIN_CODE + "\n    def initialize(self, args):\n        import torch\n"), "python-heavy-import", STREAM, "with NumPy", 5),
    "torch if it is there": Found(
        before_the_class("try:\n    import torch\nexcept ImportError:\n    torch = None"), "python-heavy-import", STREAM),
    "a module of this package that is not for serving": Found(
        before_the_class("from tritonzoo.convert import onnx"), "python-heavy-import", STREAM, "tritonzoo.runtime alone"),
    "a module of Python 3.11": Found(before_the_class("import tomllib"), "python-newer", STREAM, "takes tomllib"),
    "a name of Python 3.11": Found(before_the_class("from datetime import UTC"), "python-newer", STREAM, "takes datetime.UTC"),
    "an attribute of Python 3.11": Found(
        before_the_class("import enum\n\nKinds = enum.StrEnum"), "python-newer", STREAM, "takes enum.StrEnum", 3),
    "a syntax of Python 3.12": Found(before_the_class("type Number = int"), "python-syntax", STREAM, "Python 3.10"),
    "an f-string of Python 3.12": Found(before_the_class('x = f"{"a"}"'), "python-syntax", STREAM),
    "tabs among spaces": Found(
        written(STREAM, "class TritonPythonModel:\n    def execute(self, requests):\n\tx = 1\n        return x\n"), "python-syntax", STREAM),
    "a merge conflict": Found(written(STREAM, "<<<<<<< HEAD\n" + PLAIN_CODE), "python-syntax", STREAM),
    "a null byte": Found(written(STREAM, b"\0" + PLAIN_CODE.encode()), "python-syntax", STREAM),
    "an answer too many": Found(
        swapped(TOKENS, "np.ones_like(ids)}", 'np.ones_like(ids), "more": ids}'), "python-outputs", TOKENS),
    "an argument in capitals": Found(swapped(TOKENS, "text, limit=None", "Text, limit=None"), "python-signature", TOKENS),
    # recipes
    "a profile whose least is above its usual": Found(profile("min=(1, 9), opt=(4, 8), max=(16, 32)"), "recipe-loads", RECIPE, "min <= opt"),
    "a profile of no rows": Found(profile("min=(0, 2), opt=(4, 8), max=(16, 32)"), "recipe-loads", RECIPE, "0 < min"),
    "a profile of halves": Found(profile("min=(1, 2), opt=(4, 8), max=(16, 32.5)"), "recipe-loads", RECIPE, "whole numbers"),
    "a profile of two ranks": Found(profile("min=(1, 2), opt=(4,), max=(16, 32)"), "recipe-loads", RECIPE, "differ in rank"),
    "profiles that differ in their rows": Found(
        profile("min=(2, 2), opt=(8, 8), max=(16, 32)"), "recipe-rows-differ", RECIPE, "axis 0 is the batch"),
    "a tolerance without a reason": Found(swapped(RECIPE, ', why="rounding"', ""), "recipe-loads", RECIPE, "'why'"),
    "a tolerance of an empty reason": Found(swapped(RECIPE, 'why="rounding"', 'why=" "'), "recipe-loads", RECIPE, "say why"),
    "a tolerance of no precision": Found(swapped(RECIPE, '{"fp32": T', '{"fp23": T'), "recipe-loads", RECIPE, "fp32"),
    "an empty licence": Found(swapped(RECIPE, '"Apache-2.0"', '""'), "recipe-loads", RECIPE, "which licence"),
    "a misspelt argument": Found(swapped(RECIPE, "opset=17", "opest=17"), "recipe-loads", RECIPE, "opest"),
    "an opset as text": Found(swapped(RECIPE, "opset=17", 'opset="17"'), "recipe-loads", RECIPE, "a whole number"),
    "an opset of long ago": Found(swapped(RECIPE, "opset=17", "opset=9"), "recipe-opset", RECIPE, "write 17 to 21"),
    "no variant that needs no hub": Found(swapped(RECIPE, '{"starter": S', '{"full": S'), "recipe-loads", RECIPE, "'starter' variant"),
    "a load that takes nothing": Found(swapped(RECIPE, "def load(weights)", "def load()"), "recipe-functions", RECIPE, "a path for each source"),
    "samples that take nothing": Found(swapped(RECIPE, "samples(rng)", "samples()"), "recipe-functions", RECIPE, "def samples(rng)"),
    "a network beside the recipe": Found(above_the_recipe("from network import Net"), "recipe-loads", RECIPE, "No module named 'network'", 10),
    "jax at the top": Found(above_the_recipe("import jax.numpy as jnp"), "recipe-heavy-import", RECIPE, "imports jax", 10),
    "tensorflow at the top, if it is there": Found(
        above_the_recipe("try:\n    import tensorflow\nexcept ImportError:\n    tensorflow = None"), "recipe-heavy-import", RECIPE, "", 11),
    "a recipe that ends the program": Found(above_the_recipe("import sys\n\nsys.exit(3)"), "recipe-loads", RECIPE, "SystemExit"),
    "a recipe without end": Found(above_the_recipe("def again(): again()\n\n\nagain()"), "recipe-loads", RECIPE, "RecursionError"),
    "a recipe that is a dictionary": Found(swapped(RECIPE, "recipe = Recipe(", "recipe = dict("), "recipe-loads", RECIPE, "recipe = Recipe"),
    "an empty recipe": Found(written(RECIPE, ""), "recipe-loads", RECIPE, "recipe = Recipe"),
}  # fmt: skip


@pytest.mark.parametrize("expected", BROKEN.values(), ids=BROKEN.keys())
def test_a_fault_in_code_is_found(tmp_path: Path, expected: Found) -> None:
    assert_found(tmp_path, expected)


@pytest.mark.parametrize(
    "line",
    ["import numppy", "import tomllib", "from typing import Self"],
    ids=["unknown", "newer", "a newer name"],
)
def test_a_model_with_an_environment_of_its_own_may_import_what_that_has(tmp_path: Path, line: str) -> None:
    root = write_check_tree(tmp_path)
    before_the_class(line)(root)
    path = root / config("stream")
    path.write_text(
        path.read_text()
        + 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/env" } }\n'
    )

    assert check(Repository(root)) == ()


def test_what_the_serving_image_has_is_no_unknown_package(tmp_path: Path) -> None:
    root = write_check_tree(tmp_path)
    before_the_class("import nobody_has_this")(root)
    written("base_image/requirements.txt", "# ours\nnobody-has-this==1.0 ; python_version < '3.12'\n")(root)

    assert check(Repository(root)) == ()


def test_a_tree_that_does_not_say_what_its_servers_have_may_mean_any_package(tmp_path: Path) -> None:
    root = write_check_tree(tmp_path)
    (root / "base_image" / "requirements.txt").unlink()
    before_the_class("import nobody_has_this")(root)
    assert check(Repository(root)) == ()

    before_the_class("import numppy")(root)
    (finding,) = check(Repository(root))
    assert finding.rule == "python-import-unknown"


def test_a_package_that_is_called_otherwise_is_known_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tritonzoo.check import server_packages

    monkeypatch.setattr(server_packages, "_is_here", lambda package: False)
    monkeypatch.setattr(server_packages, "_distributions", dict)
    written("base_image/requirements.txt", "pillow==12.3.0\n")(tmp_path)

    assert server_packages.may_be_there(tmp_path, "PIL")
    assert not server_packages.may_be_there(tmp_path, "cv2")


def test_what_a_recipe_prints_is_no_part_of_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from tritonzoo.check.run import Form, run

    root = write_check_tree(tmp_path)
    above_the_recipe('print("hello")')(root)

    assert run(Repository(root), Form.JSON, strict=True)

    printed = capsys.readouterr()
    assert json.loads(printed.out)["errors"] == 0
    assert printed.err == "hello\n"
