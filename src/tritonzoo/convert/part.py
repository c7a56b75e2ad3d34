"""One graph on its way to ONNX: a model's only one, or one of several that lie side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.declared import Declared, declared_by
from tritonzoo.convert.exported import reason_of
from tritonzoo.convert.sample_coverage import require_coverage
from tritonzoo.errors import RecipeError
from tritonzoo.recipe import Graph, LoadedGraph, Recipe, Shapes
from tritonzoo.repository import ONLY, Model

if TYPE_CHECKING:
    from tritonzoo.recipe import Sample, Samples

SAMPLES_SEED = 20_240_511  # one fixed draw of samples(), so that two conversions measure the same thing


@dataclass(frozen=True)
class Part:
    """What is exported, under which names and extents, and what is allowed of the result."""

    name: str  # the files' names start with it
    source: Any
    inputs: list[str]
    outputs: list[str]
    shapes: Mapping[str, Shapes]
    options: Recipe | Graph  # tolerance, quantization, opset, exporter
    samples: list[Sample] = field(repr=False)
    declared: Mapping[str, Declared] = field(default_factory=dict)  # what config.pbtxt says of the tensors
    batched: bool = True  # axis 0 is the batch of every tensor


def parts_of(model: Model, loaded: Any) -> list[Part]:
    """What the recipe's `load` returned, as the graphs to make of it, the main one first.

    Raises:
        RecipeError: it is not what the recipe declares, or its samples do not vary what varies.
    """
    recipe, where = model.recipe, f"in {model.name}/recipe.py"
    if not recipe.graphs:
        return [_only(model, loaded)]
    graphs: Mapping[str, LoadedGraph] = loaded if isinstance(loaded, Mapping) else {}
    if set(graphs) != set(recipe.graphs):
        raise RecipeError(
            f"{where}: graphs are {', '.join(recipe.graphs)}, but load() returned "
            f"{', '.join(graphs) or type(loaded).__name__}; return a LoadedGraph for each"
        )
    return [
        Part(
            name,
            graphs[name].source,
            list(graphs[name].shapes),
            list(graphs[name].outputs),
            graphs[name].shapes,
            options,
            _drawn(graphs[name].samples, graphs[name].shapes, f"{where}, graph {name}"),
        )
        for name, options in recipe.graphs.items()
    ]


def _only(model: Model, source: Any) -> Part:
    where, shapes, config = f"in {model.name}/recipe.py", model.recipe.shapes, model.config
    inputs = [tensor.name for tensor in config.input]
    if set(shapes) != set(inputs):
        raise RecipeError(
            f"{where}: shapes are given for {', '.join(shapes)}, but config.pbtxt declares the inputs "
            f"{', '.join(inputs)}"
        )
    return Part(
        ONLY,
        source,
        inputs,
        [tensor.name for tensor in config.output],
        shapes,
        model.recipe,
        _drawn(model.recipe_module.samples, shapes, where),
        declared_by(config),
        batched=config.max_batch_size > 0,
    )


def _drawn(samples: Samples, shapes: Mapping[str, Shapes], where: str) -> list[Sample]:
    try:
        drawn = list(samples(np.random.default_rng(SAMPLES_SEED)))
    except Exception as error:
        raise RecipeError(f"{where}: samples() fails ({reason_of(error)})") from error
    try:
        require_coverage(drawn, shapes)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error
    return drawn
