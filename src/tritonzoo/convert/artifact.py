"""`tritonzoo convert`: one model folder's ONNX artifact, made, measured and only then put in place."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo import ledger
from tritonzoo.convert.onnx import OnnxFromTorch
from tritonzoo.convert.parity import Parity, measure, run_onnx, run_torch
from tritonzoo.errors import ConversionError, RecipeError
from tritonzoo.lock import sha256_of
from tritonzoo.pull import lock_artifacts, pull
from tritonzoo.recipe import Recipe
from tritonzoo.repository import Model, Repository

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES_SEED = 20_240_511  # one fixed draw of samples(), so that two conversions measure the same thing
_LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "numpy")


def convert(
    repository: Repository,
    model: Model,
    variant: str,
    on_step: Callable[[str], None] = lambda step: None,
) -> Parity:
    """Export one model to ONNX, compare it with its source model, and put it in place if it is faithful.

    Whatever goes wrong, the previous artifact, its lock and its ledger stay as they are.

    Raises:
        SourceError: the weights cannot be had or are not the pinned ones.
        ConversionError: the model cannot be exported as declared.
        ParityError: it can, but its answers differ by more than the recipe's tolerance.
    """
    recipe = model.recipe
    inputs = [tensor.name for tensor in model.config.input]
    outputs = [tensor.name for tensor in model.config.output]
    _require_shapes(model, recipe, inputs)
    exporter = OnnxFromTorch(inputs, outputs, recipe.shapes, recipe.opset)
    artifact = model.version_folder / model.artifacts[0]
    staged = artifact.with_name(f".{artifact.name}.{os.getpid()}.partial")

    on_step("fetching the weights")
    weights = pull(repository, model, variant)
    on_step("loading the source model")
    module = _load(model, weights)
    samples = list(model.recipe_module.samples(np.random.default_rng(SAMPLES_SEED)))
    if not samples:
        raise RecipeError(f"in {model.name}/recipe.py: samples() yields nothing")
    model.version_folder.mkdir(exist_ok=True)
    try:
        on_step("exporting to ONNX")
        exporter.export(module, samples[0], staged)
        on_step(f"comparing {len(samples)} samples with the source model")
        parity = measure(
            run_torch(module, inputs, outputs), run_onnx(staged, inputs, outputs), samples, outputs
        )
        parity.judge(recipe.tolerance["onnx"])
        entry = _entry(
            recipe, parity, staged, exporter, f"tritonzoo convert {model.name} --variant {variant}"
        )
        staged.replace(artifact)
    finally:
        staged.unlink(missing_ok=True)
    ledger.write(model.ledger_path, ledger.read(model.ledger_path) | {artifact.name: entry})
    lock_artifacts(model, variant)
    return parity


def _load(model: Model, weights: tuple[Path, ...]) -> object:
    load = getattr(model.recipe_module, "load", None)
    if load is None or not hasattr(model.recipe_module, "samples"):
        raise RecipeError(
            f"in {model.name}/recipe.py: an exported model needs load(*weights) and samples(rng)"
        )
    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers' bar for a load of a second would tear ours
    try:
        return load(*weights)
    except ImportError as error:
        raise ConversionError(
            f"{model.name}: load() needs {error.name}; pip install 'tritonzoo[convert]'"
        ) from error


def _require_shapes(model: Model, recipe: Recipe, inputs: list[str]) -> None:
    if set(recipe.shapes) != set(inputs):
        raise RecipeError(
            f"in {model.name}/recipe.py: shapes are given for {', '.join(recipe.shapes)}, but config.pbtxt "
            f"declares the inputs {', '.join(inputs)}"
        )


def _entry(recipe: Recipe, parity: Parity, path: Path, exporter: OnnxFromTorch, command: str) -> ledger.Entry:
    tolerance = recipe.tolerance["onnx"]
    return ledger.Entry(
        sha256=sha256_of(path),
        made_by=command,
        exporter=exporter.exporter,
        versions={"python": platform.python_version()}
        | {library: importlib.metadata.version(library) for library in _LIBRARIES},
        errors=parity.errors,
        by_bucket=parity.by_bucket,
        atol=tolerance.atol,
        cosine=tolerance.cosine,
        why=tolerance.why,
    )
