"""Letters as pen strokes: read them, bend them as another hand or another day would, draw them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

POINTS = 24  # per stroke after resampling
MAX_MIXED_DISTANCE = 0.16  # of the letter's side, mean over points; further is another way to draw it
OVERSAMPLING = 2  # drawn larger and reduced, for soft edges

Stroke = NDArray[np.float64]  # (POINTS, 2): x to the right, y down; a letter's longer side is 1
Letter = list[Stroke]


def read_omniglot(path: Path) -> Letter:
    """Read a drawing from Omniglot's stroke file: lines `x,y,ms` with y upwards, BREAK after a stroke."""
    strokes: Letter = []
    points: list[tuple[float, float]] = []
    for line in path.read_text().split():
        if line == "BREAK":
            strokes.append(resampled(np.array(points)))
            points = []
        elif line != "START":
            x, y, _ = line.split(",")
            points.append((float(x), -float(y)))
    return normalised(strokes)


def resampled(points: NDArray[np.float64]) -> Stroke:
    """The same line with POINTS points at equal distances along it."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], POINTS)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)


def normalised(letter: Letter) -> Letter:
    """Centre the letter's box on 0 and make its longer side 1."""
    points = np.concatenate(letter)
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()), 1e-6)
    return [(stroke - (low + high) / 2) / side for stroke in letter]


def between(one: Letter, other: Letter, share: float) -> Letter | None:
    """A letter on the way from `one` (share 0) to `other` (share 1), or None where they are drawn otherwise.

    Strokes are matched in the order and direction that bring them closest.
    """
    if len(one) != len(other):
        return None
    best, best_distance = None, MAX_MIXED_DISTANCE
    for order in itertools.permutations(other):
        turned = [_in_direction_of(to, stroke) for stroke, to in zip(order, one, strict=True)]
        distance = float(np.mean([_distance(stroke, to) for stroke, to in zip(turned, one, strict=True)]))
        if distance < best_distance:
            best, best_distance = turned, distance
    if best is None:
        return None
    return [(1 - share) * a + share * b for a, b in zip(one, best, strict=True)]


def _in_direction_of(to: Stroke, stroke: Stroke) -> Stroke:
    return min(stroke, stroke[::-1], key=lambda way: _distance(way, to))


def _distance(one: Stroke, other: Stroke) -> float:
    return float(np.hypot(*(one - other).T).mean())


def bent(letter: Letter, rng: np.random.Generator) -> Letter:
    """The letter as the same hand might write it another time, on paper that lies otherwise."""
    letter = [_restarted(stroke, rng) for stroke in letter]
    points = np.concatenate(letter)
    points = points @ _affine(rng) + _waves(points, rng)
    return normalised(np.split(points, np.cumsum([len(stroke) for stroke in letter])[:-1]))


def _restarted(stroke: Stroke, rng: np.random.Generator) -> Stroke:
    """Move, turn, stretch and smooth one stroke a little: strokes never meet the same way twice."""
    if rng.random() < 0.5:  # a pen runs smoother than a mouse
        for _ in range(rng.integers(1, 6)):
            inner = (stroke[:-2] + 2 * stroke[1:-1] + stroke[2:]) / 4
            stroke = np.concatenate([stroke[:1], inner, stroke[-1:]])
    begin, end = rng.uniform(-0.04, 0.08, 2)  # cut off, or run on, at either end
    at = np.linspace(begin, 1 - end, POINTS) * (POINTS - 1)
    stroke = np.stack([np.interp(at, np.arange(POINTS), stroke[:, axis]) for axis in (0, 1)], axis=1)
    middle = stroke.mean(axis=0)
    turn, stretch = rng.normal(0, 0.05), rng.normal(1, 0.06, 2)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (stroke - middle) * stretch @ rotation + middle + rng.normal(0, 0.018, 2)


def _affine(rng: np.random.Generator) -> NDArray[np.float64]:
    turn, slant = rng.normal(0, 0.1), rng.normal(0, 0.15)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return rotation @ np.array([[1, 0], [slant, 1]]) @ np.diag([np.exp(rng.normal(0, 0.18)), 1.0])


def _waves(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth displacement of the plane, taken at the points: a few plane waves, about 0.03 high in all."""
    shift = np.zeros_like(points)
    for _ in range(3):
        direction = rng.normal(0, 4.0, 2)
        phase = rng.uniform(0, 2 * np.pi)
        shift += np.sin(points @ direction + phase)[:, None] * rng.normal(0, 0.022, 2)
    return shift


def drawn(letter: Letter, side: int, pen: float, rng: np.random.Generator) -> Image.Image:
    """Ink of the letter on a canvas just around it, mode L, 255 where there is ink.

    side: pixels of the letter's longer side; pen: width of the line in parts of that side, which swells
    and thins along each stroke.
    """
    points = np.concatenate(letter)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = pen * 0.8 + 2 / side
    scale = side * OVERSAMPLING
    size = np.ceil((high - low + 2 * margin) * scale / OVERSAMPLING).astype(int) * OVERSAMPLING
    canvas = Image.new("L", (int(size[0]), int(size[1])))
    draw = ImageDraw.Draw(canvas)
    for stroke in letter:
        phase = np.linspace(0, rng.uniform(0, 9), len(stroke)) + rng.uniform(0, 6)
        swell = 1 + 0.25 * rng.random() * np.sin(phase)
        radii = np.maximum(pen * swell * scale / 2, 0.5 * OVERSAMPLING)
        line = (stroke - low + margin) * scale
        for (start, end), radius in zip(
            itertools.pairwise(line), radii, strict=False
        ):  # one radius is left over
            draw.line((*start, *end), fill=255, width=max(1, round(2 * radius)))
        for (x, y), radius in zip(line, radii, strict=True):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return canvas.reduce(OVERSAMPLING)
