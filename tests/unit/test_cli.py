"""The command line: our own errors are one sentence and exit code 1, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.unit.proved import proved_model
from tests.unit.trees import sound_tree
from tritonzoo.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(sound_tree(tmp_path))
    return tmp_path


def test_help_names_every_verb() -> None:
    told = run("--help").output

    verbs = "pull convert ledger golden check doctor derive serve status stop infer transcribe demo"
    for verb in verbs.split():
        assert f" {verb} " in told


def test_a_sound_tree_passes_check(tree: Path) -> None:
    result = run("check")

    assert result.exit_code == 0
    assert "3 models and pipelines, nothing wrong" in result.output


def test_a_fault_fails_check_and_is_told(tree: Path) -> None:
    (tree / "model_repository" / "double" / "1" / "model.py").unlink()

    result = run("check")

    assert result.exit_code == 1
    assert "a model of the python backend needs it" in result.output


def test_outside_a_tree_the_error_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("check")

    assert result.exit_code == 1
    assert "no tritonzoo tree here or above" in result.output
    assert "Traceback" not in result.output


def test_an_unknown_model_lists_the_known_ones(tree: Path) -> None:
    result = run("pull", "treble")

    assert result.exit_code == 1
    assert "there are: double, double_again, quadruple" in result.output


def test_a_target_that_is_none_is_refused(tree: Path) -> None:
    result = run("convert", "--to", "coreml")

    assert result.exit_code == 2
    assert "onnx or tensorrt" in result.output


@pytest.mark.parametrize(
    ("precision", "source"), [("fp32", "model.onnx"), ("fp16", "model.fp16.onnx"), ("int8", "model.qdq.onnx")]
)
def test_a_dry_run_prints_the_exact_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, source: str
) -> None:
    model = proved_model(tmp_path, {"model.onnx": 1.0})
    recipe = model.folder / "recipe.py"
    recipe.write_text(
        recipe.read_text().replace('"int8":', '"fp16": Tolerance(cosine=0.9, why="search"), "int8":')
    )
    monkeypatch.chdir(tmp_path)

    result = run("convert", "words", "--to", "tensorrt", "--precision", precision, "--dry-run")

    assert result.exit_code == 0
    (command,) = (line for line in result.output.splitlines() if line.startswith("trtexec "))
    assert f"--onnx=model_repository/words/1/{source} " in command
    assert f"--saveEngine=model_repository/words/1/model.{precision}.plan " in command
    assert "--minShapes=input_ids:1x1 --optShapes=input_ids:4x8 --maxShapes=input_ids:8x32" in command
    assert "--explicitBatch" not in command
    assert "--workspace" not in command.replace("workspace:", "")


def test_a_dry_run_of_fixed_shapes_fixes_all_but_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved_model(tmp_path, {"model.onnx": 1.0})
    monkeypatch.chdir(tmp_path)

    told = run("convert", "words", "--to", "tensorrt", "--fixed", "--dry-run").output

    assert "--minShapes=input_ids:1x8 --optShapes=input_ids:4x8 --maxShapes=input_ids:8x8" in told


def test_no_server_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    status, stop = run("status"), run("stop")

    assert (status.exit_code, stop.exit_code) == (1, 1)
    assert "no server is running; start one with `tritonzoo serve`" in status.output
    assert "no server is running" in stop.output
