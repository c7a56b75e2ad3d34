"""Tell ink from paper, whatever their colours and however the light falls."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]  # (height, width)
Mask = NDArray[np.bool_]  # (height, width)


def ink_of(pixels: NDArray[np.float32]) -> tuple[Plane, float]:
    """How far each pixel stands out from the paper towards the ink, and the paper's grain, in grey levels.

    pixels: (height, width, 3). Returns (height, width), about 0 on paper, and the standard deviation of
    the paper about that. The direction from the paper's colour to the ink's is that of the pixels
    furthest from it. Shading that is left is the morphological opening with a square a third of the
    picture wide, which no pen stroke fills (white top-hat, Serra 1982).
    """
    away = pixels - paper_colour(pixels)
    red, green, blue = np.moveaxis(away, 2, 0)  # NumPy is slow along an axis of three
    distance = np.sqrt(red * red + green * green + blue * blue)
    count = min(distance.size, max(4, distance.size // 500))
    furthest = away[distance >= np.partition(distance, -count, axis=None)[-count]]
    towards = furthest @ away[np.unravel_index(distance.argmax(), distance.shape)] >= 0
    direction = furthest[towards].mean(axis=0)
    direction /= max(float(np.linalg.norm(direction)), 1e-6) * np.sqrt(3.0)
    signed = (away @ direction).astype(np.float32)
    inked = signed > np.partition(signed, -count, axis=None)[-count:].mean() / 2
    share, share_of_edge = inked.mean(), inked[_edge(inked.shape)].mean()
    if share + share_of_edge > 1:  # a fat letter had filled the edge: ink and paper swap
        signed = -signed
    raised: Plane = signed - _shading(signed)
    # A letter seldom fills half the picture, and seldom half its edge; whichever is lower is paper.
    parts = raised, raised[_edge(raised.shape)]
    level, paper = min(((np.float32(np.median(part)), part) for part in parts), key=itemgetter(0))
    grain = 1.48 * float(np.median(np.abs(paper - level)))  # the median deviation of a Gaussian is 1 / 1.48
    raised -= level
    return raised, grain


def paper_colour(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The paper's colour at each pixel, (height, width, 3), or (3,) where light falls evenly.

    Taken from the picture's edge: its median colour, or the plane of least absolute deviations through its
    colours (iteratively reweighted least squares) where that leaves less than half as much unexplained.
    """
    edge = _edge(pixels.shape[:2])
    rows, columns = np.nonzero(edge)
    every = max(1, len(rows) // 400)
    rows, columns = rows[::every], columns[::every]
    colours = pixels[rows, columns]
    even: NDArray[np.float32] = np.median(pixels[edge], axis=0).astype(np.float32)
    unexplained = np.abs(colours - even).sum()
    if unexplained < len(rows):  # a grey level or less in all three channels
        return even
    height, width = pixels.shape[:2]
    at = np.stack([np.ones(len(rows)), rows / height, columns / width], axis=1)
    weighted = at
    for _ in range(8):
        plane = np.linalg.solve(weighted.T @ at + 1e-6 * np.eye(3), weighted.T @ colours)
        weighted = at / np.maximum(np.abs(colours - at @ plane).sum(axis=1), 1.0)[:, None]
    if np.abs(colours - at @ plane).sum() > unexplained / 2:
        return even
    down = (np.arange(height) / height).astype(np.float32)
    across = (np.arange(width) / width).astype(np.float32)
    start, per_height, per_width = plane.astype(np.float32)
    shaded = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        shaded[..., channel] = np.add.outer(
            start[channel] + down * per_height[channel], across * per_width[channel]
        )
    return shaded


def cell_planes(
    plane: NDArray[Any], cell: int, *, beyond: Literal["constant", "edge"] = "constant"
) -> list[NDArray[Any]]:
    """A plane cut into squares of `cell` x `cell` pixels: for each place in a square, that pixel of all.

    A plane that does not divide is filled up with zeros, or ("edge") with its last row and column. To
    reduce over this list is some five times as fast as over axes of `cell`.
    """
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % cell), (0, -width % cell)), mode=beyond)
    return [plane[down::cell, across::cell] for down in range(cell) for across in range(cell)]


def _edge(shape: tuple[int, ...]) -> Mask:
    width = 1 + min(shape) // 50
    edge = np.ones(shape, dtype=bool)
    edge[width:-width, width:-width] = False
    return edge


def _shading(signed: Plane) -> Plane:
    """Morphological opening with a square a third of the longer side, on cells of 1/64 of it."""
    height, width = signed.shape
    cell = -(-max(height, width) // 64)
    cells: Plane = np.minimum.reduce(cell_planes(signed, cell, beyond="edge"))
    radius = max(1, max(cells.shape) // 6)
    opened = _dilated(-_dilated(-cells, radius), radius)
    smooth = Image.fromarray(np.ascontiguousarray(opened)).resize((width, height), Image.Resampling.BILINEAR)
    shading: Plane = np.asarray(smooth, dtype=np.float32)
    return shading


def _dilated(plane: Plane, radius: int) -> Plane:
    """Maximum over squares of 2 radius + 1; what lies outside the plane counts as lowest."""
    for _ in range(2):  # along columns, then, transposed, along rows
        grown: Plane = np.pad(plane, ((radius, radius), (0, 0)), constant_values=-np.inf)
        reached = 1  # grown[i] is the maximum over `reached` rows from i on; it doubles until all are in
        while reached < 2 * radius + 1:
            step = min(reached, 2 * radius + 1 - reached)
            grown = np.maximum(grown[:-step], grown[step:])
            reached += step
        plane = grown.T
    return plane
