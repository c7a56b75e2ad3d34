"""The ledgers as tables of a page; those of docs/conversion.md say what today's recipes say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit.proved import proved_model
from tritonzoo import ledger
from tritonzoo.errors import RepositoryError
from tritonzoo.ledger_markdown import BEGIN, END, HEADER, block, held_to, in_order, table, write_into
from tritonzoo.recipe import Tolerance
from tritonzoo.repository import Model, Repository, onnx_name, precision_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conversion.md"
REMEDY = "convert what is missing, then: tritonzoo ledger --into docs/conversion.md"
EXPORTED = [m for m in Repository.find(ROOT).models.values() if m.has_recipe and m.recipe.is_exported]


def rows_of(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(model, row by column) of every table in a text."""
    model = ""
    for line in text.splitlines():
        if heading := re.match(r"\*\*`(\w+)`\*\*, starter: ", line):
            model = heading[1]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield model, dict(zip(HEADER, cells, strict=True))


def tolerances(model: Model) -> Mapping[str, Mapping[str, Tolerance]]:
    """Graph -> precision -> tolerance, as the recipe has it now."""
    graphs = model.recipe.graphs
    return {name: graphs[name].tolerance for name in graphs} or {"model": model.recipe.tolerance}


def test_a_table_has_a_row_for_each_artifact_and_names_the_machine(tmp_path: Path) -> None:
    model = proved_model(tmp_path, {"model.int8.onnx": 30.0, "model.onnx": 10.0})

    text = table(model)

    assert [row["artifact"] for _, row in rows_of(text)] == ["`model.onnx`", "`model.int8.onnx`"]
    assert dict(rows_of(text))["words"] == {
        "artifact": "`model.int8.onnx`",
        "size": "2.8e-05 MB",
        "held to": "atol 1e-05",
        "largest difference": "1e-06 over 12 rows",
        "least cosine": "0.999900",
        "mean cosine": "0.999990",
        "layers left out": "1",
        "task": "Spearman 80",
        "speed": "3.00",
    }
    assert "at input_ids 3x5, on a processor, 2 threads; 2026-01-01." in text


def test_what_is_between_the_markers_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    model = proved_model(tmp_path / "tree", {"model.onnx": 10.0})
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_into(page, [model])
    once = page.read_text()
    write_into(page, [model])

    assert page.read_text() == once == f"before\n{BEGIN}\n\n{table(model)}\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", "no markers"])
def test_a_page_without_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    model = proved_model(tmp_path / "tree", {"model.onnx": 10.0})
    (tmp_path / "page.md").write_text(text)

    with pytest.raises(RepositoryError, match="put them where the tables belong"):
        write_into(tmp_path / "page.md", [model])

    assert (tmp_path / "page.md").read_text() == text


def test_nothing_proved_empties_no_page(tmp_path: Path) -> None:
    model = proved_model(tmp_path / "tree", {"model.onnx": 10.0})
    ledger.write(model.ledger_path, {})
    (tmp_path / "page.md").write_text(f"{BEGIN}\nold\n{END}\n")

    with pytest.raises(RepositoryError, match="nothing is proved yet"):
        write_into(tmp_path / "page.md", [model])

    assert "old" in (tmp_path / "page.md").read_text()


def test_artifacts_come_from_the_plain_graph_outwards_the_main_graph_first() -> None:
    names = [
        "cross.onnx",
        "model.int8.onnx",
        "cross.int8.onnx",
        "model.qdq.onnx",
        "model.onnx",
        "model.fused.onnx",
    ]

    assert in_order(names) == [
        "model.onnx", "model.fused.onnx", "model.int8.onnx", "model.qdq.onnx", "cross.onnx", "cross.int8.onnx",
    ]  # fmt: skip


# -- docs/conversion.md --------------------------------------------------------------------------------

DOCUMENTED = list(rows_of(block(PAGE.read_text("utf-8"), PAGE)))


@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.name)
def test_every_precision_of_a_recipe_is_in_the_guide(model: Model) -> None:
    documented = {row["artifact"].strip("`") for name, row in DOCUMENTED if name == model.name}
    wanted = {
        onnx_name(precision, graph) for graph, bounds in tolerances(model).items() for precision in bounds
    }

    assert wanted <= documented, REMEDY


@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.name)
def test_the_guide_has_the_tolerances_that_recipes_have_today(model: Model) -> None:
    for name, row in DOCUMENTED:
        if name == model.name:
            artifact = row["artifact"].strip("`")
            tolerance = tolerances(model)[artifact.partition(".")[0]][precision_of(artifact)]
            assert row["held to"] == held_to(tolerance.bounds), REMEDY


def test_the_guide_has_no_model_that_is_gone() -> None:
    assert {name for name, _ in DOCUMENTED} <= {model.name for model in EXPORTED}, REMEDY


@pytest.mark.parametrize("model", EXPORTED, ids=lambda model: model.name)
def test_where_a_ledger_is_its_artifacts_and_what_was_left_out_of_them_are_those_of_the_guide(
    model: Model,
) -> None:
    entries = ledger.read(model.ledger_path)
    documented = {row["artifact"].strip("`"): row for name, row in DOCUMENTED if name == model.name}

    assert entries.keys() <= documented.keys(), REMEDY
    for artifact, entry in entries.items():
        rows = next(iter(entry.errors.values())).rows
        assert documented[artifact]["largest difference"].endswith(f"over {rows} rows"), REMEDY
