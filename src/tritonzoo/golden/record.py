"""Record `golden.npz` from the source: of an exported model, or of a whole pipeline."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.artifact import LIBRARIES, SAMPLES_SEED, begin
from tritonzoo.convert.onnx import reference_run
from tritonzoo.errors import ConversionError, RecipeError
from tritonzoo.golden.file import LARGEST_BYTES, NAME, Case, Golden, storable
from tritonzoo.golden.pipeline import members_with_weights, source_of
from tritonzoo.samples import samples as pipeline_samples

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run
    from tritonzoo.golden.file import Array
    from tritonzoo.repository import Model, Repository

VARIANT = "starter"  # the one that anybody can have
MOST_CASES = 4


def record(repository: Repository, model: Model, on_step: Callable[[str], None]) -> Path:
    """Ask the source for a few answers and write them to the folder's `golden.npz`.

    Raises:
        SourceError: the weights cannot be had.
        RecipeError: not even the smallest input fits into such a file.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers' bar for a load of a second would tear ours
    golden = _of_model if model.has_recipe else _of_pipeline
    path = model.folder / NAME
    golden(repository, model, on_step).write(path)
    return path


def _of_model(repository: Repository, model: Model, on_step: Callable[[str], None]) -> Golden:
    conversion = begin(repository, model, VARIANT, on_step)
    own = getattr(model.recipe_module, "golden", None)
    inputs = conversion.reference.samples if own is None else list(own(np.random.default_rng(SAMPLES_SEED)))
    run = reference_run(conversion.source, conversion.inputs, conversion.outputs)
    smallest_first = sorted(inputs, key=lambda sample: sum(tensor.size for tensor in sample.values()))
    sources = tuple(map(str, model.recipe.sources_of(VARIANT)))
    return _fitting(_empty(model, sources), run, map(storable, smallest_first))


def _of_pipeline(repository: Repository, pipeline: Model, on_step: Callable[[str], None]) -> Golden:
    on_step("loading the source")
    run = source_of(repository, pipeline, VARIANT)
    sources = [
        str(source)
        for member in members_with_weights(repository, pipeline)
        for source in member.recipe.sources_of(VARIANT)
    ]
    on_step("asking the source")
    return _fitting(_empty(pipeline, tuple(dict.fromkeys(sources))), run, _requests(repository, pipeline))


def _requests(repository: Repository, pipeline: Model) -> Iterator[dict[str, Array]]:
    """One request for each of the pipeline's samples, the shortest first."""
    shape = (1, 1) if pipeline.config.max_batch_size else (1,)
    values = []
    for sample in pipeline_samples(repository, pipeline):
        value = sample.value
        values.append((sample.tensor, value.encode() if isinstance(value, str) else value))
    for tensor, data in sorted(values, key=lambda pair: len(pair[1])):
        array = np.empty(shape, object)
        array[...] = data
        yield {tensor: array}


def _empty(model: Model, sources: tuple[str, ...]) -> Golden:
    return Golden(
        variant=VARIANT, sources=sources, made_by=f"tritonzoo golden {model.name} --record", cases=()
    )


def _fitting(golden: Golden, run: Run, inputs: Iterable[Mapping[str, Any]]) -> Golden:
    """As many cases, in their order, as the file holds."""
    for sample in inputs:
        more = replace(golden, cases=(*golden.cases, Case.of(sample, run(sample))))
        size_bytes = len(more.to_bytes())
        if size_bytes <= LARGEST_BYTES:
            golden = more
        elif not golden.cases:
            raise RecipeError(
                f"the smallest input and its answer take {size_bytes / 1024:.0f} kB, and a {NAME} holds "
                f"{LARGEST_BYTES // 1024}; add golden(rng) to recipe.py, which yields smaller ones, as "
                f"samples(rng) does (for a pipeline: a smaller file in data_samples/)"
            )
        if len(golden.cases) == MOST_CASES:
            break
    if not golden.cases:
        raise ConversionError("there is no input to record; put a few into data_samples/, or into samples()")
    versions = {name: importlib.import_module(name).__version__ for name in LIBRARIES if name in sys.modules}
    return replace(golden, versions=versions)
