"""One handwritten letter: a small convolutional network with pixel scaling and softmax inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.module_file import load_module
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance
from tritonzoo.tasks import classification

if TYPE_CHECKING:
    import torch

    from tritonzoo.tasks import Run

SIDE = 128
PICTURES = Path(__file__).parents[2] / "data_samples" / "ensemble_handwriting"  # the letter begins each name
DEGREES = (-9, -6, -3, 0, 3, 6, 9)

recipe = Recipe(
    sources={
        "starter": Starter(
            "handwriting",
            sha256={
                "weights.safetensors": "7fc32b7fe4968212d7f0f076d13d1400cf5fe88a64aefb019254e24172baa2ff"
            },
        )
    },
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
    """Drawn letters, each turned a little, as handwriting_image hands them on."""
    pixels, _ = drawn_letters()
    pixels = pixels[rng.permutation(len(pixels))]
    for start, end in ((0, 2), (2, 3), (3, 11), (11, 42)):
        yield {"pixels": pixels[start:end]}


def task(reference: Run, candidate: Run, starter: Path) -> dict[str, float]:
    """How often the drawn letters are read alike, and rightly."""
    pixels, labels = drawn_letters()
    return classification(reference, candidate, [{"pixels": pixels}], labels)


def drawn_letters() -> tuple[np.ndarray, list[int]]:
    """The tree's own pictures at seven angles: pixels (42, 128, 128, 3), 0 to 255, and each one's class."""
    from tritonzoo.runtime.image import decode
    from tritonzoo.runtime.letter import letter

    pixels, labels = [], []
    for path in sorted(PICTURES.glob("?_*.*")):
        image = decode(path.read_bytes())
        for degrees in DEGREES:
            pixels.append(letter(image.rotate(degrees, expand=True, fillcolor=image.getpixel((0, 0)))))
            labels.append(ord(path.name[0]) - ord("a"))
    return np.stack(pixels), labels
