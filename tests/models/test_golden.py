"""Every exported model answers as its source did when golden.npz was recorded, at every precision that is here.

No torch, no server: the ONNX files that `make setup` or `tritonzoo convert` made, in ONNX Runtime.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tritonzoo.golden.file import NAME
from tritonzoo.golden.verify import verify_artifacts
from tritonzoo.repository import Model, Repository

REPOSITORY = Repository.find(Path(__file__).parent)
EXPORTED = [model for model in REPOSITORY.models.values() if model.has_recipe and model.recipe.shapes]


@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.name)
def test_an_exported_model_has_its_golden_file(model: Model) -> None:
    assert (model.folder / NAME).is_file(), f"record it: tritonzoo golden {model.name} --record"


@pytest.mark.server  # it needs the starter artifacts, though no server
@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.name)
def test_every_precision_that_is_here_answers_as_the_source(model: Model) -> None:
    outcomes = verify_artifacts(model)

    assert {outcome.what for outcome in outcomes} >= {"model.onnx"}, outcomes[0].skipped
    assert [(outcome.what, outcome.failure) for outcome in outcomes if outcome.verdict != "green"] == []


@pytest.mark.server
def test_an_artifact_with_a_changed_weight_is_found(tmp_path: Path) -> None:
    model = Model(shutil.copytree(REPOSITORY.model("handwriting").folder, tmp_path / "handwriting"))
    path = model.version_folder / "model.onnx"
    graph = onnx.load(path)
    weight = max(graph.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.5), weight.name))
    onnx.save(graph, path)

    (outcome,) = (outcome for outcome in verify_artifacts(model) if outcome.what == "model.onnx")

    assert outcome.verdict == "red"
    assert "output probabilities differs from the source model" in outcome.failure


@pytest.mark.server
def test_another_variant_is_not_held_to_the_starters_answers(tmp_path: Path) -> None:
    model = Model(shutil.copytree(REPOSITORY.model("handwriting").folder, tmp_path / "handwriting"))
    model.lock_path.write_text(
        model.lock_path.read_text().replace('"variant": "starter"', '"variant": "full"')
    )

    (outcome,) = verify_artifacts(model)

    assert outcome.skipped == f"{NAME} was recorded from the starter, but handwriting is full"
