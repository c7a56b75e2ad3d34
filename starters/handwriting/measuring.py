"""Top-1 accuracy on writers never seen, on the scans and on every variation of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from network import LETTERS, HandwritingNet
from numpy.typing import NDArray
from rich.progress import track
from variations import VARIATIONS

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.letter import SIDE, letter

REFUSED = "-"  # stands for the answer where the picture was refused


@dataclass(frozen=True)
class Drawing:
    """One writer's letter and, for each variation, the square that the network gets; None where refused."""

    letter: str
    writer: str
    squares: dict[str, NDArray[np.uint8] | None]  # variation -> (128, 128), 0 ink to 255 paper


@dataclass(frozen=True)
class Answer:
    writer: str
    variation: str
    letter: str
    answered: str


def read_drawings(folder: Path, seed: int) -> list[Drawing]:
    """Omniglot's pictures `a_01.png` in a folder, in every variation, as the serving function sees them."""
    drawings = []
    for number, path in enumerate(track(sorted(folder.glob("[a-z]_[0-9][0-9].png")), "making variations")):
        squares: dict[str, NDArray[np.uint8] | None] = {}
        for vary in VARIATIONS:
            image = vary(path, np.random.default_rng([seed, number]))
            try:
                squares[vary.__name__] = letter(image)[..., 0].astype(np.uint8)
            except InvalidInput:
                squares[vary.__name__] = None
        drawings.append(Drawing(path.name[0], path.name[2:4], squares))
    return drawings


@torch.no_grad()
def answers(network: HandwritingNet, drawings: Sequence[Drawing]) -> list[Answer]:
    """What the network says to every variation of the drawings."""
    given = []
    for drawing in drawings:
        squares = [np.full((SIDE, SIDE), 255, np.uint8) if s is None else s for s in drawing.squares.values()]
        pixels = torch.from_numpy(np.stack(squares)).float()[..., None].expand(-1, -1, -1, 3)
        best = network(pixels).argmax(dim=1).tolist()
        for (variation, square), index in zip(drawing.squares.items(), best, strict=True):
            answered = REFUSED if square is None else LETTERS[index]
            given.append(Answer(drawing.writer, variation, drawing.letter, answered))
    return given


def accuracy(given: Sequence[Answer]) -> float:
    """Share of right answers; a refused picture is a wrong answer."""
    return round(sum(answer.letter == answer.answered for answer in given) / len(given), 4)


def summary(folds: Sequence[Sequence[Answer]]) -> dict[str, object]:
    """Accuracy per fold, over all, per letter and per variation, and which letters were taken for which."""
    everything = [answer for fold in folds for answer in fold]
    scans = [answer for answer in everything if answer.variation == "scan"]
    wrong = [answer for answer in scans if answer.letter != answer.answered]
    mistaken = Counter(f"{answer.letter} taken for {answer.answered}" for answer in wrong)
    return {
        "accuracy": accuracy(scans),
        "letters": len(scans),
        "folds": [
            {
                "writers": sorted({answer.writer for answer in fold}),
                "accuracy": accuracy([answer for answer in fold if answer.variation == "scan"]),
            }
            for fold in folds
        ],
        "variations": {
            vary.__name__: accuracy([answer for answer in everything if answer.variation == vary.__name__])
            for vary in VARIATIONS
        },
        "per_letter": {
            name: accuracy([answer for answer in scans if answer.letter == name]) for name in LETTERS
        },
        "mistaken": dict(mistaken.most_common()),
    }
