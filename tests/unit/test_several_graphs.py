"""A model of several graphs: its recipe, which files belong together, and what must be proved to be served."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.proved import entry
from tritonzoo import ledger
from tritonzoo.errors import RecipeError
from tritonzoo.lock import sha256_of
from tritonzoo.profiles import choose, profile_config
from tritonzoo.proofs import why_unproved
from tritonzoo.pull import is_proved, lock_artifacts, pull
from tritonzoo.recipe import Graph, Recipe, Starter, Tolerance
from tritonzoo.repository import Model, Repository, precision_of

CONFIG = """# Write down what is said.
backend: "whisper"
max_batch_size: 8

input  [{ name: "encoded" data_type: TYPE_FP32 dims: [ -1, -1 ] }]  # positions x width
output [{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }]        # of the window

instance_group [{ kind: KIND_CPU count: 1 }]
"""
RECIPE = """
from tritonzoo.recipe import Graph, Recipe, Starter, Tolerance

exact = {"fp32": Tolerance(atol=1e-5, why="rounding")}
recipe = Recipe(
    sources={"starter": Starter("words")},
    license="Apache-2.0",
    files={"vocabulary.json": "vocabulary.json"},
    graphs={"model": Graph(tolerance=exact), "cross": Graph(tolerance=exact)},
)
"""
EXACT = {"fp32": Tolerance(atol=1e-5, why="rounding")}


def write_tree(root: Path, *artifacts: str) -> Model:
    """The model with these artifacts, all of them proved."""
    folder = root / "model_repository" / "words"
    for path in (folder / "1", root / "ensembles", root / "starters" / "words"):
        path.mkdir(parents=True)
    (root / "starters" / "words" / "vocabulary.json").write_text("{}")
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "recipe.py").write_text(RECIPE)
    model = Repository(root).model("words")
    for name in (*artifacts, "vocabulary.json"):
        (folder / "1" / name).write_text(f"the bytes of {name}")
    proofs = {name: entry(sha256_of(folder / "1" / name), 10.0) for name in artifacts}
    ledger.write(model.ledger_path, proofs)
    lock_artifacts(model, "starter")
    return model


def test_a_recipe_has_shapes_or_graphs_and_only_graphs_may_have_files_beside_them() -> None:
    sources = {"starter": Starter("words")}

    recipe = Recipe(sources, "MIT", graphs={"model": Graph(EXACT)}, files={"a.json": "a.json"})

    assert recipe.is_exported
    with pytest.raises(RecipeError, match="give either `shapes`"):
        Recipe(sources, "MIT")
    with pytest.raises(RecipeError, match="call the main one 'model'"):
        Recipe(sources, "MIT", graphs={"step": Graph(EXACT)})


def test_each_graph_needs_a_tolerance_and_knows_the_quantizations() -> None:
    with pytest.raises(RecipeError, match="needs tolerance"):
        Graph(tolerance={})
    with pytest.raises(RecipeError, match="quantization is nearest; known: rows, dynamic"):
        Graph(tolerance=EXACT, quantization="nearest")


def test_the_precision_of_any_graphs_file_is_told_by_its_name() -> None:
    names = ("model.onnx", "cross.onnx", "model.fused.onnx", "cross.int8.onnx", "model.fp16.onnx")

    assert [precision_of(name) for name in names] == ["fp32", "fp32", "fp32", "int8", "fp16"]


def test_graphs_of_one_precision_go_together_and_float32_stands_in(tmp_path: Path) -> None:
    model = write_tree(tmp_path, "model.onnx", "cross.onnx", "model.int8.onnx", "cross.int8.onnx")

    assert model.graph_files("model.int8.onnx") == ("model.int8.onnx", "cross.int8.onnx")
    assert model.graph_files("model.fused.onnx") == ("model.fused.onnx", "cross.onnx")
    assert model.artifacts == ("model.onnx", "cross.onnx", "vocabulary.json")
    assert {path.name for path in model.present_artifacts} == {
        "model.onnx", "cross.onnx", "model.int8.onnx", "cross.int8.onnx", "vocabulary.json",
    }  # fmt: skip


def test_a_model_is_served_only_when_every_graph_was_proved(tmp_path: Path) -> None:
    model = write_tree(tmp_path, "model.onnx", "cross.onnx")
    assert is_proved(model, "starter", "fp32")
    assert why_unproved(model, "cpu-fp32") is None

    (model.version_folder / "cross.onnx").write_text("other bytes!")

    assert why_unproved(model, "cpu-fp32") == (
        "cross.onnx has other bytes than those that were compared with its source model"
    )
    ledger.write(model.ledger_path, {"model.onnx": ledger.read(model.ledger_path)["model.onnx"]})
    assert not is_proved(model, "starter", "fp32")
    assert "cross.onnx has no entry in ledger.json" in str(why_unproved(model, "cpu-fp32"))


def test_a_profile_names_the_main_graph_and_the_kind_of_machine(tmp_path: Path) -> None:
    model = write_tree(tmp_path, "model.onnx", "cross.onnx", "model.int8.onnx", "cross.int8.onnx")

    assert choose(model, "cpu-int8").artifact == "model.int8.onnx"
    cpu, gpu = profile_config(model, "cpu-int8"), profile_config(model, "gpu-onnx-fp16")
    assert cpu is not None and cpu.default_model_filename == "model.int8.onnx"
    assert gpu is not None and gpu.default_model_filename == "model.fp16.onnx"
    assert "KIND_GPU" in str(gpu.instance_group) and gpu.backend == "whisper"
    assert profile_config(model, "cpu-fp32") is None


def test_files_beside_graphs_wait_for_the_graphs_of_their_variant(tmp_path: Path) -> None:
    model = write_tree(tmp_path, "model.onnx", "cross.onnx")
    before = model.lock_path.read_text()

    paths = pull(Repository(tmp_path), model, "starter")

    assert paths == (tmp_path / "starters" / "words",)
    assert (model.version_folder / "vocabulary.json").read_text() == "the bytes of vocabulary.json"
    assert model.lock_path.read_text() == before
