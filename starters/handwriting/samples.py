"""The training set: many pictures of each letter, seen through the very function that serves."""

from __future__ import annotations

import string
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from network import CELL, INK_SIDE
from numpy.typing import NDArray
from pictures import any_circumstances, picture
from PIL import Image
from rich.progress import track
from strokes import Letter, bent, between, drawn, read_omniglot
from typefaces import typeset

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.letter import SIDE, letter

LETTERS = string.ascii_lowercase
TYPEFACE = ""  # stands for the writer of a typeset letter

Ink = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """Ink as the network takes it, and whose it is. A letter mixed of two writers' counts as both's."""

    ink: Ink  # (samples, 36, 36), 0 paper to 255 ink
    labels: NDArray[np.int64]  # (samples,), 0 is a
    writers: NDArray[np.str_]  # (samples, 2)

    def without(self, writers: Sequence[str]) -> Samples:
        """The samples to which none of `writers` has contributed."""
        return self._where(~np.isin(self.writers, writers).any(axis=1))

    def _where(self, keep: NDArray[np.bool_]) -> Samples:
        return Samples(self.ink[keep], self.labels[keep], self.writers[keep])


def network_ink(image: Image.Image) -> Ink:
    """A picture's letter as the network sees it after its own scaling: (36, 36), 0 paper to 255 ink."""
    square = 255 - letter(image)[..., 0]
    edge = (SIDE - CELL * INK_SIDE) // 2
    inner = square[edge : SIDE - edge, edge : SIDE - edge]
    return np.rint(inner.reshape(INK_SIDE, CELL, INK_SIDE, CELL).mean(axis=(1, 3))).astype(np.uint8)


def read_letters(folder: Path) -> dict[tuple[str, str], Letter]:
    """Omniglot's stroke files `a_01.txt` (letter, writer) in a folder, by (letter, writer)."""
    paths = sorted(folder.glob("[a-z]_[0-9][0-9].txt"))
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no stroke files (a_01.txt, ...); README.md says how to get them"
        )
    return {(path.name[0], path.name[2:4]): read_omniglot(path) for path in paths}


def make_samples(
    letters: dict[tuple[str, str], Letter],
    typefaces: Sequence[Path],
    per_letter: int,
    seed: int,
    processes: int,
) -> Samples:
    """Redraw every letter `per_letter` times by hand and, with typefaces, a fifth of that typeset."""
    chunk = 50
    tasks = [
        (character, [seed, index, number])
        for index, character in enumerate(LETTERS)
        for number in range(-(-per_letter // chunk))
    ]
    make = partial(_chunk, letters=letters, typefaces=typefaces, count=chunk)
    with ProcessPoolExecutor(processes) as pool:
        chunks = list(track(pool.map(make, tasks), "drawing letters", total=len(tasks)))
    ink = np.concatenate([ink for ink, _ in chunks])
    labels = np.repeat([LETTERS.index(character) for character, _ in tasks], [len(ink) for ink, _ in chunks])
    return Samples(ink, labels, np.concatenate([writers for _, writers in chunks]))


def _chunk(
    task: tuple[str, list[int]], letters: dict[tuple[str, str], Letter], typefaces: Sequence[Path], count: int
) -> tuple[Ink, NDArray[np.str_]]:
    """`count` samples of one letter by hand and a fifth as many typeset, from a seed of their own."""
    character, seed = task
    rng = np.random.default_rng(seed)
    by_hand = {writer: strokes for (name, writer), strokes in letters.items() if name == character}
    inks, writers = [], []
    for number in range(count + (count // 5 if typefaces else 0)):
        side = int(np.exp(rng.uniform(np.log(24), np.log(130))))
        if number < count:
            strokes, by = _redrawn(by_hand, rng)
            ink = drawn(strokes, side, float(np.exp(rng.uniform(np.log(0.025), np.log(0.16)))), rng)
        else:
            typeface = typefaces[rng.integers(len(typefaces))]
            ink, by = typeset(typeface, character, side, rng), (TYPEFACE, TYPEFACE)
        try:
            inks.append(network_ink(picture(ink, any_circumstances(rng), rng)))
        except InvalidInput:  # ink and paper came out alike: serving would refuse this picture too
            continue
        writers.append(by)
    return np.stack(inks), np.array(writers)


def _redrawn(by_hand: dict[str, Letter], rng: np.random.Generator) -> tuple[Letter, tuple[str, str]]:
    """One writer's letter, or two writers' mixed (and a little beyond either), bent."""
    one, other = (str(writer) for writer in rng.choice(list(by_hand), 2))
    mixed = between(by_hand[one], by_hand[other], rng.uniform(-0.25, 0.8)) if rng.random() < 0.6 else None
    if mixed is None:
        return bent(by_hand[one], rng), (one, one)
    return bent(mixed, rng), (one, other)
