"""What a scaffold makes passes `check`, the linter and its own tests, whatever was answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.scaffolds.conftest import MADE, ROOT
from tritonzoo.check import check
from tritonzoo.cli import app
from tritonzoo.errors import ScaffoldError
from tritonzoo.repository import Repository
from tritonzoo.scaffold import KINDS, new

TEXTS = (".py", ".pbtxt", ".md", ".json")


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=environment, text=True, capture_output=True
    )


def test_every_kind_is_made_by_default_and_otherwise() -> None:
    for kind in KINDS:
        assert {bool(made.answers) for made in MADE if made.kind == kind} == {False, True}


def test_check_finds_nothing(scaffolded: Path) -> None:
    assert "\n".join(map(str, check(Repository(scaffolded)))) == ""


def test_no_mark_of_the_template_survives(scaffolded: Path) -> None:
    own = {path.name for path in (ROOT / "backends").iterdir()} | {
        "sentiment",
        "sentiment_tokenizer",
        "sentiment_label",
    }
    for path in scaffolded.rglob("*"):
        if path.is_file() and path.suffix in TEXTS and not own & set(path.relative_to(scaffolded).parts):
            text = path.read_text("utf-8")
            for mark in ("{{", "{%", "cookiecutter"):
                assert mark not in text, path


def test_what_is_made_is_formatted_and_lint_free(scaffolded: Path) -> None:
    folders = [
        name for name in ("model_repository", "backends", "starters", "tests") if (scaffolded / name).is_dir()
    ]
    config = ("--config", str(ROOT / "pyproject.toml"))

    formatted = run("ruff", "format", "--diff", *config, *folders, cwd=scaffolded)
    # Which packages are ours is told by the folder src, which this tree has not.
    checked = run("ruff", "check", *config, "--ignore", "I,N812,T20", *folders, cwd=scaffolded)

    assert formatted.returncode == 0, formatted.stdout
    assert checked.returncode == 0, checked.stdout


def test_its_own_tests_pass(scaffolded: Path) -> None:
    result = run("pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "tests", cwd=scaffolded)

    assert result.returncode == 0, result.stdout
    assert len(list((scaffolded / "tests").rglob("test_*.py"))) == sum(
        made.kind != "exported_model" for made in MADE
    )


def test_readmes_open_with_the_folders_name_and_starters_say_how_good_they_are(scaffolded: Path) -> None:
    for model in Repository(scaffolded).models.values():
        if "sentiment" not in model.name:
            assert (model.folder / "README.md").read_text("utf-8").startswith(f"# {model.name}\n")
    for starter in sorted((scaffolded / "starters").iterdir()):
        if not starter.is_symlink():
            accuracy = json.loads((starter / "metrics.json").read_text())["accuracy"]
            assert accuracy > 0.9
            assert f"{100 * accuracy:.1f} %" in (starter / "README.md").read_text("utf-8")


def test_a_backend_stands_on_the_page_of_backends(scaffolded: Path) -> None:
    page = (scaffolded / "backends" / "README.md").read_text("utf-8")

    assert "| [`my_backend`](my_backend/model.py) |" in page
    assert page.index("## my_backend\n") < page.index("## Write one\n")


def test_plain_cookiecutter_makes_the_same(scaffolded: Path, tmp_path: Path) -> None:
    for name in ("model_repository", "ensembles"):
        (tmp_path / name).mkdir()
    result = run(
        "cookiecutter", "--no-input", "--default-config", "--overwrite-if-exists", "--skip-if-file-exists",
        str(ROOT / "scaffolds" / "python_model"), "name=my_model", cwd=tmp_path,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    for file in ("model_repository/my_model/1/model.py", "tests/models/test_my_model.py"):
        assert (tmp_path / file).read_text() == (scaffolded / file).read_text()


# -- what is refused -----------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("model_repository", "ensembles"):
        (tmp_path / name).mkdir()
    return tmp_path


REFUSED = {
    "a name in capitals": ("python_model", "Mine", {}, "a letter first"),
    "a name that begins with a digit": ("python_model", "2nd", {}, "a letter first"),
    "an input that is a keyword": ("python_model", "mine", {"inputs": "class"}, "'class' is no name"),
    "an input twice": ("exported_model", "mine", {"inputs": "a,a"}, "name each one once"),
    "a batch that is no number": ("python_model", "mine", {"max_batch_size": "many"}, "a whole number"),
    "one class": ("exported_model", "mine", {"classes": "1"}, "2 or more"),
    "quotes in the title": ("backend", "mine", {"title": 'a "title"'}, "without quotes"),
    "a quote in the name": ("python_model", 'my"model', {}, "a letter first"),
    "quotes at the title's end": ("python_model", "mine", {"title": 'three """'}, "without quotes"),
    "a name that Triton has a backend of": ("backend", "python", {}, "a backend of Triton's own"),
    "a name that fills a line": ("python_model", 61 * "a", {}, "60 at most"),
    "a title that fills two lines": ("python_model", "mine", {"title": 46 * "x "}, "90 characters at most"),
    "a path": ("python_model", "../mine", {}, "a letter first"),
    "no name": ("python_model", "", {}, "a letter first"),
    "no inputs": ("python_model", "mine", {"inputs": ""}, "'' is no name"),
    "an input that the code has a name for": (
        "python_model",
        "mine",
        {"inputs": "text,np"},
        "np is a name that the code uses",
    ),
    "an input that Python has a name for": ("python_model", "mine", {"inputs": "len"}, "call it len_1"),
    "an input in another script": ("python_model", "mine", {"inputs": "gr\u00f6\u00dfe"}, "is no name"),
    "a batch below nothing": ("python_model", "mine", {"max_batch_size": "-1"}, "a whole number"),
    "a batch that no config.pbtxt holds": (
        "python_model",
        "mine",
        {"max_batch_size": "99999999999"},
        "a whole number",
    ),
    "a batch in another script": ("python_model", "mine", {"max_batch_size": "\uff14"}, "a whole number"),
    "pictures of no size": ("exported_model", "mine", {"size": "0"}, "1 or more"),
    "no members": ("ensemble", "mine", {"members": ""}, "no model is named"),
    "a title that would end a table's cell": (
        "backend",
        "mine",
        {"title": "this | that"},
        "without quotes or |",
    ),
    "a member that is not there": ("ensemble", "mine", {"members": "nobody"}, "no model nobody"),
}


@pytest.mark.parametrize(("kind", "name", "answers", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_that_cannot_be_is_refused_and_leaves_nothing(
    tree: Path, capfd: pytest.CaptureFixture[str], kind: str, name: str, answers: dict[str, str], why: str
) -> None:
    pytest.importorskip("cookiecutter", reason="pip install 'tritonzoo[new]'")

    with pytest.raises(ScaffoldError, match="was not made"):
        new(Repository(tree), kind, name, answers)

    told = capfd.readouterr().err
    assert why in told
    assert "Traceback" not in told
    assert [path for path in tree.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("folder", ["backends", "starters", "model_repository", "ensembles"])
def test_a_name_that_is_taken_is_refused(tree: Path, folder: str) -> None:
    (tree / folder / "mine").mkdir(parents=True)

    with pytest.raises(ScaffoldError, match=f"{folder}/mine is there already"):
        new(Repository(tree), "exported_model", "mine", {})
    with pytest.raises(ScaffoldError, match=f"{folder}/mine is there already"):
        new(Repository(tree), "backend", "another", {"example": "mine"})


def test_a_choice_that_is_none_lists_those_that_there_are(tree: Path) -> None:
    with pytest.raises(ScaffoldError, match="kind is 'audio'; write one of: text, numbers, image"):
        new(Repository(tree), "python_model", "mine", {"kind": "audio"})


@pytest.mark.parametrize("title", ["{{ 6 * 7 }}", "{% raw %}", "{# a comment"])
def test_an_answer_is_text_and_no_template(tree: Path, title: str) -> None:
    with pytest.raises(ScaffoldError, match="write plain text"):
        new(Repository(tree), "python_model", "mine", {"title": title})


def test_unknown_kinds_and_answers_list_those_that_there_are(tree: Path) -> None:
    with pytest.raises(ScaffoldError, match=r"there are: exported_model, python_model"):
        new(Repository(tree), "model", "mine", {})
    with pytest.raises(ScaffoldError, match=r"does not ask for inptus; it asks for title, kind, inputs"):
        new(Repository(tree), "python_model", "mine", {"inptus": "x"})


def test_answers_are_given_on_the_command_line(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cookiecutter", reason="pip install 'tritonzoo[new]'")
    monkeypatch.chdir(tree)

    made = CliRunner().invoke(
        app, ["new", "python_model", "mine_2", "--kind", "numbers", "--max-batch-size=0"]
    )
    wrong = CliRunner().invoke(app, ["new", "python_model", "mine_3", "--kind"])

    assert made.exit_code == 0, made.output
    assert "model_repository/mine_2/config.pbtxt" in made.output
    assert Repository(tree).model("mine_2").config.max_batch_size == 0
    assert wrong.exit_code == 2
    assert "--key value" in wrong.output
