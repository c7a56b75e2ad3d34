"""What `tritonzoo convert` sets out to make, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.proved import proved_model
from tritonzoo.build import convert_all
from tritonzoo.errors import ConversionError


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
