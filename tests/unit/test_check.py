"""`tritonzoo check`: this tree is sound, the reports have their forms, the documentation is fresh."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.unit.check_tree import write_check_tree
from tritonzoo.check import RULES, Severity, check
from tritonzoo.check.documentation import with_rules
from tritonzoo.check.report import json_schema
from tritonzoo.cli import app
from tritonzoo.golden.file import Case, Golden
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = write_check_tree(tmp_path / "a tree")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def broken_tree(tree: Path) -> Path:
    """One error with line and column, one of a whole file, one warning."""
    config = tree / "model_repository" / "stream" / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 0", "max_batch_size: -1"))
    (tree / "model_repository" / "_shared").mkdir()
    label = tree / "model_repository" / "class_label" / "config.pbtxt"
    label.write_text(label.read_text().partition("\n")[2])
    return tree


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["check", *options], catch_exceptions=False)


def test_this_tree_has_no_finding_and_takes_less_than_five_seconds() -> None:
    start_s = time.process_time()  # not the clock on the wall: other work on the machine is not ours
    findings = check(Repository.find(Path(__file__).parent))

    assert "\n".join(map(str, findings)) == ""
    assert time.process_time() - start_s < 5


def test_torch_and_onnx_are_not_needed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] in ("torch", "onnx", "onnxruntime", "transformers"):
            raise ImportError(f"{name} is not installed")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)

    assert check(Repository(tree)) == ()


def test_a_sound_tree_ends_with_zero(tree: Path) -> None:
    result = run()

    assert result.exit_code == 0
    assert "11 models and pipelines, nothing wrong" in result.output


def test_findings_are_told_with_place_rule_and_remedy(broken_tree: Path) -> None:
    result = run()

    assert result.exit_code == 1
    assert "✗ model_repository/stream/config.pbtxt:3:1 error[batch-size-negative]" in result.output
    assert "mend it: write 0 for no batch axis" in result.output
    assert "✗ model_repository/_shared error[stray-folder]" in result.output
    assert "11 models and pipelines: 2 errors, 1 warning" in result.output


def test_a_warning_fails_only_a_strict_check(tree: Path) -> None:
    label = tree / "model_repository" / "class_label" / "config.pbtxt"
    label.write_text(label.read_text().partition("\n")[2])

    assert run().exit_code == 0
    assert "! model_repository/class_label/config.pbtxt:1:1 warning[config-title]" in run().output
    assert run("--strict").exit_code == 1


def test_json_has_the_form_of_its_schema(broken_tree: Path) -> None:
    result = run("--json")
    report = json.loads(result.output)

    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(report, json_schema())
    assert result.exit_code == 1
    assert (report["models"], report["errors"], report["warnings"]) == (11, 2, 1)
    places = {finding["rule"]: (finding["path"], finding["line"]) for finding in report["findings"]}
    assert places == {
        "batch-size-negative": ("model_repository/stream/config.pbtxt", 3),
        "stray-folder": ("model_repository/_shared", None),
        "config-title": ("model_repository/class_label/config.pbtxt", 1),
    }


def test_the_schema_refuses_what_is_not_a_report(tree: Path) -> None:
    report = json.loads(run("--json").output)

    for wrong in ({"findings": [{}]}, {"errors": -1}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**report, **wrong}, json_schema())


@pytest.mark.parametrize("tree_of", ["tree", "broken_tree"])
def test_sarif_has_the_form_of_the_standard(tree_of: str, request: pytest.FixtureRequest) -> None:
    """pydantic-sarif is made of the official schema and refuses fields that it has not."""
    sarif = pytest.importorskip("pydantic_sarif.model", reason="pip install pydantic-sarif")
    request.getfixturevalue(tree_of)

    log = json.loads(run("--sarif").output)

    sarif.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(log)


def test_sarif_says_where_and_by_which_rule(broken_tree: Path) -> None:
    (log,) = json.loads(run("--sarif").output)["runs"]
    rules = log["tool"]["driver"]["rules"]

    assert len({rule["id"] for rule in rules}) == len(rules) == len(RULES)
    for result in log["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert rules[result["ruleIndex"]]["defaultConfiguration"]["level"] == result["level"]
        assert log["originalUriBaseIds"].keys() == {
            place["physicalLocation"]["artifactLocation"]["uriBaseId"] for place in result["locations"]
        }
    regions = {
        result["ruleId"]: result["locations"][0]["physicalLocation"].get("region")
        for result in log["results"]
    }
    assert regions["batch-size-negative"] == {"startLine": 3, "startColumn": 1}
    assert regions["stray-folder"] is None
    assert "%20" in log["originalUriBaseIds"]["ROOT"]["uri"], "a tree's path is escaped"


def test_one_form_at_a_time(tree: Path) -> None:
    assert run("--json", "--sarif").exit_code == 2


# -- the rules as documented ---------------------------------------------------------------------------


def test_every_rule_says_what_holds_and_in_one_sentence() -> None:
    for rule in RULES:
        assert rule.summary.endswith("."), rule.id
        assert "\n" not in rule.summary
        assert rule.severity in Severity


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_the_table_of_rules_is_fresh() -> None:
    page = (ROOT / "docs" / "check.md").read_text("utf-8")

    assert page == with_rules(page), "python -m tritonzoo.check.documentation docs/check.md"


def test_the_hook_runs_the_check_on_what_it_looks_at() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())

    assert hook["entry"] == "tritonzoo check"
    assert not hook["pass_filenames"]
    for folder in ("model_repository", "ensembles", "backends", "starters", "data_samples"):
        assert folder in hook["files"]


def test_labels_are_counted_by_the_recorded_answers_where_no_graph_was_made(tree: Path) -> None:
    """As in a fresh clone: golden.npz is committed, artifacts are not."""
    folder = tree / "model_repository" / "scores"
    for made in ("1/model.onnx", "artifacts.lock", "ledger.json"):
        (folder / made).unlink()
    tokens = {"input_ids": np.zeros((2, 5), np.int64), "attention_mask": np.ones((2, 5), np.int64)}
    case = Case.of(tokens, {"probabilities": np.zeros((2, 4), np.float32)})
    Golden("starter", (), "tritonzoo golden scores --record", (case,)).write(folder / "golden.npz")

    (finding,) = check(Repository(tree))

    assert finding.rule == "labels-count"
    assert finding.path == "model_repository/class_label/labels.txt"
    assert "has 3 labels" in finding.message
    assert "has 4 classes" in finding.message
