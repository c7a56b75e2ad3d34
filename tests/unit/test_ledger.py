"""The ledger reads back as it was written, and a damaged one is refused with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.proved import entry, proved_model
from tritonzoo import ledger
from tritonzoo.errors import RepositoryError
from tritonzoo.ledger_table import COLUMNS, ledger_rows
from tritonzoo.repository import Repository


def test_a_ledger_reads_back_as_it_was_written(tmp_path: Path) -> None:
    entries = {"model.onnx": entry("0" * 64, 10.0), "model.int8.onnx": entry("1" * 64, 20.0)}

    ledger.write(tmp_path / "ledger.json", entries)

    assert ledger.read(tmp_path / "ledger.json") == entries


def test_no_ledger_is_an_empty_one(tmp_path: Path) -> None:
    assert ledger.read(tmp_path / "ledger.json") == {}


@pytest.mark.parametrize(
    "text", ["{", '{"model.onnx": {}}', '{"model.onnx": []}', '{"model.onnx": {"speed": 1, "left_out": []}}']
)
def test_a_damaged_ledger_is_refused_with_the_remedy(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "ledger.json").write_text(text)

    with pytest.raises(RepositoryError, match="remove it, then `tritonzoo convert words --force`"):
        ledger.read(folder / "ledger.json")


def test_the_table_has_a_row_for_each_artifact(tmp_path: Path) -> None:
    proved_model(tmp_path, {"model.onnx": 10.0, "model.int8.onnx": 30.0})

    rows = ledger_rows(Repository(tmp_path), ["words"])

    assert [row[:2] for row in rows] == [("words", "model.onnx"), ("words", "model.int8.onnx")]
    assert dict(zip(COLUMNS, rows[1], strict=True)) == {
        "model": "words",
        "artifact": "model.int8.onnx",
        "largest difference": "1e-06",
        "least cosine": "0.999900",
        "mean cosine": "0.999990",
        "held to": "atol 1e-05",
        "layers left out": "1",
        "task": "Spearman 80",
        "rows/s": "30",
        "verdict": "green",
    }
