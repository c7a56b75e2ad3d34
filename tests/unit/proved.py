"""A model folder with artifacts and a ledger, as `convert` would leave it, made of a few bytes."""

from __future__ import annotations

from pathlib import Path

from tritonzoo import ledger
from tritonzoo.lock import sha256_of
from tritonzoo.pull import lock_artifacts
from tritonzoo.repository import Model, Repository

CONFIG = """# Embed tokens.
backend: "onnxruntime"
max_batch_size: 8

input  [{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }]  # tokens
output [{ name: "embedding" data_type: TYPE_FP32 dims: [ -1 ] }]   # dimensions

dynamic_batching {}
instance_group [{ kind: KIND_CPU count: 1 }]
parameters { key: "padding" value { string_value: "input_ids:1=0" } }
"""
RECIPE = """
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

recipe = Recipe(
    sources={"starter": Starter("words")},
    license="Apache-2.0",
    shapes={"input_ids": Shapes(min=(1, 1), opt=(4, 8), max=(8, 32))},
    tolerance={"fp32": Tolerance(atol=1e-5, why="rounding"), "int8": Tolerance(cosine=0.9, why="search")},
)
"""


def proved_model(root: Path, rows_per_s: dict[str, float], recipe: str = RECIPE) -> Model:
    """A model whose artifacts ran so many rows a second, all of them proved."""
    folder = root / "model_repository" / "words"
    (folder / "1").mkdir(parents=True)
    (root / "ensembles").mkdir()
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "recipe.py").write_text(recipe)
    model = Repository(root).model("words")
    entries = {}
    for name, rate in rows_per_s.items():
        (folder / "1" / name).write_text(f"the bytes of {name}")
        entries[name] = entry(sha256_of(folder / "1" / name), rate)
    ledger.write(model.ledger_path, entries)
    lock_artifacts(model, "starter")
    return model


def entry(sha256: str, rows_per_s: float) -> ledger.Entry:
    error = ledger.OutputError(rows=12, max_abs=1e-6, max_rel=1e-5, min_cosine=0.9999, mean_cosine=0.99999)
    return ledger.Entry(
        sha256=sha256,
        made_by="tritonzoo convert words --variant starter --precision fp32",
        made_from="starters/words",
        date="2026-01-01",
        versions={"torch": "2"},
        errors={"embedding": error},
        by_bucket={"input_ids 3x5": error},
        tolerance={"atol": 1e-5, "why": "rounding"},
        needed={"atol": 1e-6, "cosine": 0.9999, "mean_cosine": 0.99999},
        left_out=("MatMul a",),
        task={"Spearman": 80.0},
        speed=ledger.Speed(rows_per_s, "input_ids 3x5", "a processor", 2),
    )
