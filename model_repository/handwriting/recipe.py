"""One handwritten letter: a small convolutional network with pixel scaling and softmax inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.module_file import load_module
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import torch

SIDE = 128

recipe = Recipe(
    sources={"starter": Starter("handwriting")},
    license="Apache-2.0",
    shapes={"pixels": Shapes(min=(1, SIDE, SIDE, 3), opt=(8, SIDE, SIDE, 3), max=(32, SIDE, SIDE, 3))},
    tolerance={
        "fp32": Tolerance(atol=1e-4, why="the same float32 arithmetic in another order, after softmax"),
        "fp16": Tolerance(atol=0.01, why="a hundredth of probability: no letter that was sure is lost"),
        "int8": Tolerance(atol=0.1, cosine=0.99, why="probabilities move, the letter seldom does"),
    },
    quantization="entropy",
)


def load(starter: Path) -> torch.nn.Module:
    """Our network with the weights that were trained with it (kept in half precision, run in float32)."""
    from safetensors.torch import load_file

    network: torch.nn.Module = load_module(starter / "network.py").HandwritingNet()
    weights = load_file(starter / "weights.safetensors")
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return network.eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """Pictures of dark strokes on white, as handwriting_image makes them."""
    for batch in (2, 1, 8, 32):
        yield {"pixels": np.stack([_strokes(rng) for _ in range(batch)])}


def _strokes(rng: np.random.Generator) -> np.ndarray:
    """A few soft curves: (side, side, 3), 0 to 255."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    paper = np.full((SIDE, SIDE), 255.0)
    for _ in range(rng.integers(1, 4)):
        (x0, y0), (x1, y1), (x2, y2) = rng.uniform(16, SIDE - 16, size=(3, 2))
        for t in np.linspace(0, 1, 40):
            x = (1 - t) ** 2 * x0 + 2 * t * (1 - t) * x1 + t**2 * x2
            y = (1 - t) ** 2 * y0 + 2 * t * (1 - t) * y1 + t**2 * y2
            paper -= 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return np.repeat(paper.clip(0, 255)[:, :, None], 3, axis=2).astype(np.float32)
