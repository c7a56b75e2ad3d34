"""A small real model through the whole of convert: exported, measured, put in place; or refused, nothing touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")

from tritonzoo import ledger
from tritonzoo.check import check
from tritonzoo.convert.artifact import convert
from tritonzoo.errors import ConversionError, ParityError, RecipeError, SourceError
from tritonzoo.lock import Lock, sha256_of
from tritonzoo.pull import is_current, is_proved, lock_artifacts
from tritonzoo.repository import Repository

CONFIG = """# Mix the words of a text.
backend: "onnxruntime"
max_batch_size: 8

input  [{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }]  # tokens
output [{ name: "mean" data_type: TYPE_FP32 dims: [ 6 ] }]         # mean over the tokens

instance_group [{ kind: KIND_CPU count: 1 }]
"""
RECIPE = """
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

recipe = Recipe(
    sources={"starter": Starter("words", {"table.npy": "%(digest)s"})},
    license="Apache-2.0",
    shapes={"input_ids": Shapes(min=(1, 1), opt=(4, 8), max=(8, 32))},
    tolerance={"fp32": Tolerance(atol=%(atol)s, why="float32 in another order")},
)

def load(weights):
    import numpy as np, torch
    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(torch.from_numpy(np.load(weights / "table.npy")))
        def forward(self, input_ids):
            return %(body)s
    return Mean().eval()

def samples(rng):
    for shape in ((3, 5), (1, 1), (8, 32)):
        yield {"input_ids": rng.integers(0, 10, size=shape)}
"""
FAITHFUL = "self.table[input_ids].mean(1)"
BAKED_LENGTH = (
    "self.table[input_ids].sum(1) / float(input_ids.shape[1])"  # the traced length becomes a constant
)
NOT_A_NUMBER = "torch.log(self.table[input_ids].mean(1) - 1e3)"
TWO_OUTPUTS = "(self.table[input_ids].mean(1), self.table[input_ids].sum(1))"


def write_tree(root: Path, body: str = FAITHFUL, atol: str = "1e-5", digest: str = "") -> Repository:
    import numpy as np

    starter, folder = root / "starters" / "words", root / "model_repository" / "words"
    for path in (starter, folder / "1", root / "ensembles"):
        path.mkdir(parents=True, exist_ok=True)
    np.save(starter / "table.npy", np.random.default_rng(0).standard_normal((10, 6), dtype=np.float32))
    (folder / "config.pbtxt").write_text(CONFIG)
    digest = digest or sha256_of(starter / "table.npy")
    (folder / "recipe.py").write_text(RECIPE % {"body": body, "atol": atol, "digest": digest})
    return Repository(root)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_faithful_export_is_put_in_place_with_its_proof(tmp_path: Path) -> None:
    repository = write_tree(tmp_path)
    model = repository.model("words")
    assert model.missing_artifacts() == (model.version_folder / "model.onnx",)

    convert(repository, model, "starter")

    assert is_current(model, "starter")
    assert is_proved(model, "starter", "fp32")
    entry = ledger.read(model.ledger_path)["model.onnx"]
    assert entry.errors["mean"].max_abs < 1e-5
    assert entry.errors["mean"].rows == 3 + 1 + 8
    assert set(entry.by_bucket) == {"input_ids 3x5", "input_ids 1x1", "input_ids 8x32"}
    assert entry.sha256 == sha256_of(model.version_folder / "model.onnx")
    assert entry.made_by == "tritonzoo convert words --variant starter --precision fp32"
    assert entry.speed.rows_per_s > 0
    assert check(repository) == ()


def test_a_changed_recipe_makes_the_artifact_out_of_date(tmp_path: Path) -> None:
    repository = write_tree(tmp_path)
    convert(repository, repository.model("words"), "starter")

    write_tree(tmp_path, atol="1e-4")

    assert not is_current(repository.model("words"), "starter")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"body": BAKED_LENGTH},
            ParityError,
            r"output mean differs .* \(allowed 1e-05\).*worst at input_ids 8x32",
        ),
        ({"body": NOT_A_NUMBER}, ParityError, "NaN or Inf"),
        ({"body": FAITHFUL, "atol": "0.0"}, ParityError, "allowed 0"),
        ({"body": TWO_OUTPUTS}, ConversionError, "mean"),
        ({"digest": "0" * 64}, SourceError, "file table.npy: sha256 is"),
        ({"body": "nonsense"}, ConversionError, "nonsense"),
        ({"atol": "-1"}, RecipeError, "atol must be >= 0"),
    ],
    ids=[
        "baked-in length",
        "not a number",
        "beyond tolerance",
        "undeclared output",
        "digest",
        "code",
        "recipe",
    ],
)
def test_whatever_fails_leaves_the_previous_artifact_untouched(
    tmp_path: Path, change: dict[str, str], error: type[Exception], message: str
) -> None:
    convert(write_tree(tmp_path), Repository(tmp_path).model("words"), "starter")
    version_folder = tmp_path / "model_repository" / "words" / "1"
    before = contents(version_folder)
    lock = Lock.read(version_folder.parent / "artifacts.lock")

    repository = write_tree(tmp_path, **change)
    with pytest.raises(error, match=message):
        convert(repository, repository.model("words"), "starter")

    assert contents(version_folder) == before
    assert Lock.read(version_folder.parent / "artifacts.lock") == lock


def test_after_a_changed_recipe_fp32_is_proved_anew_whatever_is_asked_for(tmp_path: Path) -> None:
    convert(write_tree(tmp_path), Repository(tmp_path).model("words"), "starter")
    repository = write_tree(tmp_path, atol="1e-4")

    made = convert(repository, repository.model("words"), "starter", [])

    assert made["model.onnx"].tolerance["atol"] == 1e-4
    assert is_proved(repository.model("words"), "starter", "fp32")


def test_a_changed_recipe_takes_away_what_the_old_one_proved(tmp_path: Path) -> None:
    repository = write_tree(tmp_path)
    model = repository.model("words")
    convert(repository, model, "starter")
    derived = model.version_folder / "model.fp16.onnx"
    derived.write_bytes((model.version_folder / "model.onnx").read_bytes())
    entries = ledger.read(model.ledger_path)
    ledger.write(model.ledger_path, entries | {derived.name: entries["model.onnx"]})
    lock_artifacts(model, "starter")
    assert is_proved(model, "starter", "fp16")

    model = write_tree(tmp_path, atol="1e-4").model("words")
    convert(Repository(tmp_path), model, "starter")

    assert not derived.exists()
    assert set(ledger.read(model.ledger_path)) == {"model.onnx"}
    assert set(Lock.read(model.lock_path).files) == {"1/model.onnx"}


def test_an_interrupt_leaves_no_part_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = write_tree(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tritonzoo.convert.artifact.Conversion.compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(repository, repository.model("words"), "starter")

    assert contents(repository.model("words").version_folder) == {}


def test_a_flipped_byte_is_found_by_check(tmp_path: Path) -> None:
    repository = write_tree(tmp_path)
    model = repository.model("words")
    convert(repository, model, "starter")
    artifact = model.version_folder / "model.onnx"
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)

    assert [finding.rule for finding in check(repository)] == ["artifact-bytes"]


def test_the_ledger_is_text_that_diffs_well(tmp_path: Path) -> None:
    repository = write_tree(tmp_path)
    convert(repository, repository.model("words"), "starter")

    text = repository.model("words").ledger_path.read_text()

    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
