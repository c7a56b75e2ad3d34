"""Well-known architectures at small dimensions through the whole of convert, by both of torch's exporters.

`bench/conversion/measure.py` does the same at their real size.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

from tritonzoo.check import check
from tritonzoo.convert.artifact import SAMPLES_SEED, convert
from tritonzoo.convert.declared import declared_by
from tritonzoo.convert.onnx import ToOnnx, reference_run
from tritonzoo.convert.parity import Reference, run_onnx
from tritonzoo.pull import is_current

BENCH = Path(__file__).parents[2] / "bench" / "conversion"


def declared_architectures() -> ModuleType:
    sys.path.insert(0, str(BENCH))
    try:
        import architectures
    finally:
        sys.path.remove(str(BENCH))
    return architectures


SMALL = {(each.folder, each.model): each for each in declared_architectures().ARCHITECTURES}
each_architecture = pytest.mark.parametrize("architecture", SMALL.values(), ids=lambda each: each.model)


@each_architecture
def test_an_architecture_converts_and_is_proved_at_every_length(tmp_path: Path, architecture: Any) -> None:
    repository, model = declared_architectures().write_tree(tmp_path, architecture, small=True)

    entries = convert(repository, model, "starter")

    entry = entries["model.onnx"]
    samples = list(model.recipe_module.samples(np.random.default_rng(SAMPLES_SEED)))
    rows = sum(len(next(iter(sample.values()))) for sample in samples)
    assert {error.rows for error in entry.errors.values()} == {rows}
    assert len(entry.by_bucket) == len(samples)
    assert max(error.max_abs for error in entry.errors.values()) < 1e-5
    assert is_current(model, "starter")
    assert check(repository) == ()


@each_architecture
def test_the_dynamo_exporter_gives_the_same_answers(tmp_path: Path, architecture: Any) -> None:
    _, model = declared_architectures().write_tree(tmp_path, architecture, small=True)
    source = model.recipe_module.load(tmp_path / "starters" / architecture.folder)
    inputs, outputs = ([tensor.name for tensor in side] for side in (model.config.input, model.config.output))
    samples = model.recipe_module.samples(np.random.default_rng(SAMPLES_SEED))
    reference = Reference.of(reference_run(source, inputs, outputs), samples)
    to_onnx = ToOnnx(
        inputs, outputs, model.recipe.shapes, declared_by(model.config), using="dynamo", pinned_opset=18
    )

    exported = to_onnx.export(source, reference.samples[0], tmp_path / "model.onnx")

    assert str(exported) == "torch.onnx dynamo exporter, opset 18"
    parity = reference.compare(run_onnx(tmp_path / "model.onnx", inputs, outputs))
    assert max(error.max_abs for error in parity.errors.values()) < 1e-5
