"""The tree's own Whisper recipes through the whole of convert, on a toy checkpoint in place of the starter."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

import onnx

from tritonzoo import ledger
from tritonzoo.convert.artifact import convert
from tritonzoo.convert.fusion import fuse
from tritonzoo.convert.half import half
from tritonzoo.convert.onnx import ToOnnx
from tritonzoo.convert.parity import Reference, run_onnx
from tritonzoo.convert.part import parts_of
from tritonzoo.errors import ConversionError, RecipeError
from tritonzoo.lock import Lock
from tritonzoo.proofs import why_unproved
from tritonzoo.pull import is_proved
from tritonzoo.recipe import Starter, Tolerance
from tritonzoo.repository import Model, Repository
from tritonzoo.speech.random_checkpoint import write_random_checkpoint

TREE = Path(__file__).parents[2]
FILES = {"config.json", "generation_config.json", "tokenizer.json"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_checkpoint(tmp_path_factory.mktemp("whisper"), "toy", seed=9, spread=0.1)


def tree(root: Path, name: str, checkpoint: Path) -> tuple[Repository, Model]:
    """A tree of one of the Whisper models, whose starter and full variant are the toy."""
    shutil.copytree(checkpoint, root / "starters" / "toy")
    (root / "ensembles").mkdir()
    folder = root / "model_repository" / name
    folder.mkdir(parents=True)
    for file in ("config.pbtxt", "recipe.py"):
        shutil.copyfile(TREE / "model_repository" / name / file, folder / file)
    repository = Repository(root)
    model = repository.model(name)
    both = {"starter": Starter("toy"), "full": Starter("toy")}
    model.recipe_module.recipe = replace(model.recipe, sources=both)
    return repository, model


def test_the_decoder_becomes_two_proved_graphs_with_the_checkpoints_files_beside_them(
    tmp_path: Path, checkpoint: Path
) -> None:
    repository, model = tree(tmp_path, "whisper_decoder", checkpoint)

    made = convert(repository, model, "starter", ["fp32", "int8"])

    graphs = {"model.onnx", "model.fused.onnx", "model.int8.onnx", "cross.onnx", "cross.int8.onnx"}
    assert set(made) == graphs
    assert {path.name for path in model.present_artifacts} == graphs | FILES
    assert set(Lock.read(model.lock_path).files) == {f"1/{name}" for name in graphs | FILES}
    assert is_proved(model, "starter", "fp32") and is_proved(model, "starter", "int8")
    assert why_unproved(model, "cpu-fp32") is None and why_unproved(model, "cpu-int8") is None
    assert made["model.onnx"].task["token agreement"] == 100.0
    assert made["model.int8.onnx"].task["token agreement"] > 90.0
    assert {"logits", "cross_attention", "new_key_0", "new_value_1"} <= set(made["model.onnx"].errors)
    assert not made["cross.onnx"].task

    convert(
        repository, model, "full"
    )  # what was derived of the other variant goes, files and graphs together

    assert set(ledger.read(model.ledger_path)) == {"model.onnx", "model.fused.onnx", "cross.onnx"}
    assert Lock.read(model.lock_path).variant == "full"
    assert is_proved(model, "full", "fp32") and not is_proved(model, "starter", "fp32")


def test_the_encoders_spectrogram_stays_float32_so_that_silence_is_a_number(
    tmp_path: Path, checkpoint: Path
) -> None:
    repository, model = tree(tmp_path, "whisper_encoder", checkpoint)

    made = convert(repository, model, "starter", ["fp16"])

    assert any("/log_mel/Log" in layer for layer in made["model.fp16.onnx"].left_out)
    assert not any("/encoder/" in layer for layer in made["model.fp16.onnx"].left_out)
    graph = onnx.load(model.version_folder / "model.fp16.onnx").graph
    kernels = {tensor.name: tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 3}
    mel = {kernels[node.input[1]] for node in graph.node if node.op_type == "Conv" and "log_mel" in node.name}
    assert mel == {onnx.TensorProto.FLOAT}


def test_a_misspelt_beginning_of_a_layers_name_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    path, reference = exported_step(tmp_path, checkpoint)

    with pytest.raises(ConversionError, match="no layer's name begins with '/log_mle/'"):
        half(
            path,
            tmp_path / "model.fp16.onnx",
            reference.samples,
            lambda file: reference.compare(run_onnx(file, ["encoded"], list(reference.answers[0]))),
            Tolerance(cosine=0.9, why="a toy"),
            float32=("/log_mle/",),
        )


def exported_step(root: Path, checkpoint: Path) -> tuple[Path, Reference]:
    """The graph that makes the cross-attention's caches, and its answers."""
    _, model = tree(root, "whisper_decoder", checkpoint)
    part = parts_of(model, model.recipe_module.load(checkpoint))[1]
    path = root / "cross.onnx"
    ToOnnx(part.inputs, part.outputs, part.shapes).export(part.source, part.samples[0], path)
    return path, Reference.of(run_onnx(path, part.inputs, part.outputs), part.samples)


def test_a_fused_graph_reshapes_without_reading_extents(tmp_path: Path, checkpoint: Path) -> None:
    path, reference = exported_step(tmp_path, checkpoint)

    fuse(path, tmp_path / "fused.onnx")

    assert "Shape" in {node.op_type for node in onnx.load(path).graph.node}
    assert "Shape" not in {node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node}
    parity = reference.compare(run_onnx(tmp_path / "fused.onnx", ["encoded"], list(reference.answers[0])))
    assert max(error.max_abs for error in parity.errors.values()) == 0


def test_load_must_return_every_graph_that_the_recipe_names(tmp_path: Path, checkpoint: Path) -> None:
    _, model = tree(tmp_path, "whisper_decoder", checkpoint)
    graphs = model.recipe_module.load(checkpoint)

    with pytest.raises(RecipeError, match=r"graphs are model, cross, but load\(\) returned model;"):
        parts_of(model, {"model": graphs["model"]})
