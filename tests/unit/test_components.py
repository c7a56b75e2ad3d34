"""Connected parts of a mask are those that a flood fill finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tritonzoo.runtime.components import connected_components


def flood_filled(mask: NDArray[np.bool_]) -> list[frozenset[tuple[int, int]]]:
    """Parts by flood fill over the eight neighbours."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}
    parts = []
    while left:
        part, reached = set(), [left.pop()]
        while reached:
            row, column = reached.pop()
            part.add((row, column))
            for near in [(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    reached.append(near)
        parts.append(frozenset(part))
    return parts


@pytest.mark.parametrize("density", [0.0, 0.1, 0.3, 0.4, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (23, 31)])
def test_parts_boxes_and_weights_agree_with_a_flood_fill(density: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    mask = rng.random(shape) < density
    weights = rng.random(shape, dtype=np.float32)

    labels, parts = connected_components(mask, weights)

    pixels = {part.label: np.argwhere(labels == part.label) for part in parts}
    assert {frozenset(map(tuple, at.tolist())) for at in pixels.values()} == set(flood_filled(mask))
    assert [part.weight for part in parts] == sorted((part.weight for part in parts), reverse=True)
    for part in parts:
        at = pixels[part.label]
        assert [part.top, part.left, part.bottom, part.right] == [*at.min(axis=0), *(at.max(axis=0) + 1)]
        assert part.weight == pytest.approx(float(weights[labels == part.label].sum()), rel=1e-5)
