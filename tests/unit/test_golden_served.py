"""Served pipelines, and the command, held to golden.npz: with a client that answers what the test says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.proved import proved_model
from tests.unit.trees import sound_tree
from tritonzoo.client import Pipeline
from tritonzoo.errors import RepositoryError, TimedOutError
from tritonzoo.golden.file import NAME, Case, Golden
from tritonzoo.golden.table import verify_all
from tritonzoo.golden.verify import verify_served
from tritonzoo.lock import Lock
from tritonzoo.repository import Repository

X = np.arange(4, dtype=np.float32).reshape(1, 4)


class Served:
    """A client whose server quadruples, with an error of `off`, and has loaded `artifact`."""

    def __init__(self, artifact: str = "", off: float = 0.0) -> None:
        self.artifact, self.off = artifact, np.float32(off)

    def describe(self, name: str) -> Pipeline:
        return Pipeline(name, (), (), 8, artifact=self.artifact)

    def infer(self, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        if np.isnan(self.off):
            raise TimedOutError("no answer within 60 s")
        return {"z": 4 * inputs["x"] + self.off}


RECIPE = """
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

recipe = Recipe(
    sources={"starter": Starter("small"), "full": Starter("large")},
    license="MIT",
    shapes={"x": Shapes(min=(1, 4), opt=(4, 4), max=(8, 4))},
    tolerance={"fp32": Tolerance(atol=1e-4, why="rounding"), "int8": Tolerance(atol=0.1, why="8 bits")},
)
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The pipeline `quadruple`, one of whose models is exported, and what its source answered."""
    repository = Repository(sound_tree(tmp_path))
    double, pipeline = repository.model("double"), repository.model("quadruple")
    (double.folder / "recipe.py").write_text(RECIPE)
    Lock(variant="starter").write(double.lock_path)
    (pipeline.folder / "source.py").write_text("def source(repository, variant): ...\n")
    cases = (Case.of({"x": X}, {"z": 4 * X}),)
    Golden("starter", ("starters/small",), "tritonzoo golden quadruple --record", cases).write(
        pipeline.folder / NAME
    )
    monkeypatch.chdir(tmp_path)
    return repository


@pytest.mark.parametrize(
    ("artifact", "off", "what", "verdict"),
    [
        ("", 0.0, "served, fp32", "green"),
        ("model.fused.onnx", 5e-5, "served, fp32", "green"),
        ("model.onnx", 0.05, "served, fp32", "red"),
        ("model.int8.onnx", 0.05, "served, int8", "green"),
        ("model.int8.onnx", 0.5, "served, int8", "red"),
    ],
)
def test_answers_are_held_to_the_precision_that_is_loaded(
    repository: Repository, artifact: str, off: float, what: str, verdict: str
) -> None:
    outcome = verify_served(repository, repository.model("quadruple"), Served(artifact, off))

    assert (outcome.what, outcome.verdict) == (what, verdict)
    assert outcome.parity is not None and outcome.parity.needed["atol"] == pytest.approx(off, abs=1e-6)


def test_a_pipeline_without_a_graph_is_held_to_the_same_arithmetic(repository: Repository) -> None:
    (repository.model("double").folder / "recipe.py").unlink()

    verdicts = [
        verify_served(repository, repository.model("quadruple"), Served(off=off)).verdict
        for off in (0.0, 1e-3)
    ]

    assert verdicts == ["green", "red"]


def test_a_server_that_does_not_answer_is_red_and_says_why(repository: Repository) -> None:
    outcome = verify_served(repository, repository.model("quadruple"), Served(off=float("nan")))

    assert (outcome.verdict, outcome.failure) == ("red", "no answer within 60 s")


def test_another_variant_of_a_member_is_not_asked(repository: Repository) -> None:
    Lock(variant="full").write(repository.model("double").lock_path)

    outcome = verify_served(repository, repository.model("quadruple"), Served())

    assert outcome.skipped == f"{NAME} was recorded from the starter, but double is full"


def test_without_a_server_pipelines_are_left_out_and_how_to_ask_them_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_all(["quadruple"], url="")

    assert "need a server: quadruple" in (said := capsys.readouterr().err)
    assert "tritonzoo golden --url localhost:8001" in said


def test_a_model_without_a_source_is_named(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match=r"double_again: no source to compare with; .*load\(\)"):
        verify_all(["double_again"], url="")


def test_a_model_without_a_golden_file_is_skipped_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    proved_model(tmp_path / "tree", {"model.onnx": 1.0})
    monkeypatch.chdir(tmp_path / "tree")

    assert verify_all([], url="")

    assert "no golden.npz; tritonzoo golden words --record" in capsys.readouterr().err


def test_an_artifact_that_onnx_runtime_does_not_load_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = proved_model(tmp_path / "tree", {"model.onnx": 1.0})
    cases = (Case.of({"input_ids": np.ones((1, 2), np.int64)}, {"embedding": X}),)
    Golden("starter", ("starters/words",), "", cases).write(model.folder / NAME)
    monkeypatch.chdir(tmp_path / "tree")

    assert not verify_all([], url="")

    assert "red words: model.onnx: ONNX Runtime does not load the artifact" in capsys.readouterr().err
