"""What `tritonzoo convert` sets out to make, before anything is loaded, and what is out of date."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.proved import RECIPE, proved_model
from tritonzoo import weights
from tritonzoo.build import convert_all
from tritonzoo.errors import ConversionError
from tritonzoo.lock import Lock
from tritonzoo.pull import is_current
from tritonzoo.recipe import Package
from tritonzoo.repository import Model, Repository


@pytest.fixture(autouse=True)
def _tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One exported model with tolerances for fp32 and int8, both made and proved."""
    proved_model(tmp_path, {"model.onnx": 10.0, "model.int8.onnx": 20.0})
    monkeypatch.chdir(tmp_path)


def test_an_unknown_precision_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(ConversionError, match="no precision 'int4'; there are: fp32, fp16, int8, qdq"):
        convert_all([], "starter", ["fp32", "int4"], force=True)


def test_of_all_models_each_gets_what_its_recipe_has_a_tolerance_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    convert_all([], "starter", ["fp32", "fp16", "int8"], force=False)

    said = capsys.readouterr().err
    assert "words: no tolerance for fp16 in its recipe, so not made" in said
    assert "words: up to date (starter, fp32, int8)" in said


@pytest.fixture
def shared(tmp_path: Path) -> Model:
    """A proved model whose recipe names weights that are pinned in `tritonzoo.weights`."""
    recipe = RECIPE.replace('Starter("words")', "ALL_MINILM_L6_V2")
    root = tmp_path / "shared"
    return proved_model(
        root, {"model.onnx": 10.0}, f"from tritonzoo.weights import ALL_MINILM_L6_V2\n{recipe}"
    )


def again(model: Model) -> Model:
    """The same model with its recipe read anew."""
    return Repository(model.folder.parents[1]).model(model.name)


@pytest.mark.parametrize("pin", [{"version": "0.2.0"}, {"sha256": "1" * 64}, {"path": "another/model"}])
def test_weights_that_are_pinned_anew_elsewhere_make_the_artifacts_out_of_date(
    shared: Model, monkeypatch: pytest.MonkeyPatch, pin: dict[str, str]
) -> None:
    assert is_current(shared, "starter")

    monkeypatch.setattr(weights, "ALL_MINILM_L6_V2", replace(weights.ALL_MINILM_L6_V2, **pin))

    assert not is_current(again(shared), "starter")


def test_a_lock_without_pins_is_held_to_names_and_versions(
    shared: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks of before: nothing that was made is made again for want of them."""
    replace(Lock.read(shared.lock_path), pins_sha256="").write(shared.lock_path)
    assert is_current(shared, "starter")

    monkeypatch.setattr(weights, "ALL_MINILM_L6_V2", Package("another", "1", sha256="1" * 64))

    assert not is_current(again(shared), "starter")
