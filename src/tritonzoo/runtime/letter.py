"""Find the one letter in a picture and set it, dark on white, in the middle of a fixed square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonzoo.runtime.components import Component, connected_components
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.ink import Mask, Plane, cell_planes, ink_of, paper_colour

SIDE = 128  # pixels, the square that comes out
LETTER_SIDE = 96  # pixels, the letter's longer side in it
WORK_SIDE = 192  # pixels; a larger picture is looked at reduced

MIN_CONTRAST = 12.0  # grey levels between ink and paper; less is the grain of paper or of JPEG
MIN_OVER_NOISE = 4.5  # standard deviations of the paper's grain
FAINT, STRONG = 0.3, 0.5  # of the full ink: a part is faint pixels around at least one strong pixel
SPECK = 0.015  # of the heaviest part; the dots of i and j in Omniglot weigh 0.045 or more
REACH = 0.75  # of the letter's longer side; a part further away than this is not its dot

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, half-open


@dataclass(frozen=True)
class _View:
    """What was seen of a picture: ink 0..1 with all but the letter blanked, and the letter's box in it."""

    ink: Plane
    box: Box
    reduction: int  # pixels of the picture per pixel of the view

    @property
    def longer_side(self) -> int:
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def letter(image: Image.Image) -> NDArray[np.float32]:
    """The letter in `image`, black on white in a square, centred: (128, 128, 3), 0..255.

    Ink is what differs from the paper, whichever of them is darker and whatever their colours. Shading
    of the paper is taken out; specks and what lies along the picture's edge are left out. The letter is
    cropped to its ink, scaled to 96 pixels on its longer side and centred by its box. Thin strokes that
    scaling down would fade are brought back to full strength.

    image: mode RGB, any size.
    Raises InvalidInput when the picture shows no ink.
    """
    sheet = _sheet(image)
    view = _view(sheet)
    if view.reduction > 1 and view.longer_side < LETTER_SIDE:  # a small letter on a large sheet: go closer
        margin = 2 + view.longer_side // 4
        left, top, right, bottom = view.box
        closer = (left - margin, top - margin, right + margin, bottom + margin)
        view = _view(sheet.crop(_within(sheet.size, [edge * view.reduction for edge in closer])))
    return _framed(view)


def _within(size: tuple[int, int], box: list[int]) -> Box:
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def _sheet(image: Image.Image) -> Image.Image:
    """Cut a sheet of paper out of what it lies on; a picture that is all paper comes back as it is."""
    cell = max(1, max(image.size) // 64)
    seen = _pixels(image.reduce(cell))
    away = np.maximum.reduce(np.abs(np.moveaxis(seen - paper_colour(seen), 2, 0)))
    level = float(np.percentile(away, 98)) / 2
    if level < 2 * MIN_CONTRAST:
        return image
    other = away > level
    rows, columns = np.flatnonzero(other.mean(axis=1) > 0.4), np.flatnonzero(other.mean(axis=0) > 0.4)
    if len(rows) < 8 or len(columns) < 8:
        return image
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    inset = 1 + max(bottom - top, right - left) // 24  # the sheet's edge is never quite straight
    inside = seen[top + inset : bottom - inset, left + inset : right - inset]
    large = (bottom - top) * (right - left) > other.size / 4
    solid = other[top:bottom, left:right].mean() > 0.8
    middle = other[top + inset : bottom - inset, left + inset : right - inset]
    if not (large and solid) or min(middle.shape) < 4:
        return image
    rim = np.concatenate([middle[[0, -1]].ravel(), middle[:, [0, -1]].ravel()])
    if rim.mean() < 0.9:  # a fat letter, which has gaps and round corners
        return image
    drawn = np.abs(inside - np.median(inside, axis=(0, 1))).max() > level
    if not drawn:  # nothing on it: a block of ink rather than a sheet
        return image
    box = np.array([left + inset, top + inset, right - inset, bottom - inset]) * cell
    return image.crop(_within(image.size, box.tolist()))


def _view(image: Image.Image) -> _View:
    """Look at a picture at WORK_SIDE or less and tell the letter's ink from all else."""
    reduction = -(-max(image.size) // WORK_SIDE)
    ink, grain = ink_of(_pixels(image.reduce(reduction)))
    strongest = min(ink.size, max(8, ink.size // 3000))
    full = float(np.partition(ink, -strongest, axis=None)[-strongest:].mean())
    if full < max(MIN_CONTRAST, MIN_OVER_NOISE * grain):
        raise InvalidInput(
            f"image shows no ink ({image.width}x{image.height} pixels, nothing stands out); "
            "send a picture of one letter that stands out from its paper"
        )
    chosen = _letter_mask(ink, full)
    rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    around = chosen.copy()  # and a pixel more each way, for the soft edges
    for grown in (around, around.T):
        before = grown.copy()
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
    strength = np.clip((ink / full - 0.1) / 0.8, 0, 1) * around
    return _View(strength.astype(np.float32), box, reduction)


def _letter_mask(ink: Plane, full: float) -> Mask:
    """Which pixels are the letter: its heaviest part and what belongs to it, without specks and edges."""
    mask = ink > FAINT * full
    cell = -(-max(ink.shape) // (WORK_SIDE // 2))  # labelled at half size: quicker, and joins broken strokes
    labels, parts = connected_components(
        np.logical_or.reduce(cell_planes(mask, cell)), np.add.reduce(cell_planes(ink * mask, cell))
    )
    strong = set(np.unique(labels[np.logical_or.reduce(cell_planes(ink > STRONG * full, cell))]).tolist())
    belonging = [
        part.label for part in _belonging([part for part in parts if part.label in strong], labels.shape)
    ]
    chosen = np.isin(labels, belonging).repeat(cell, axis=0).repeat(cell, axis=1)
    return chosen[: ink.shape[0], : ink.shape[1]] & mask


def _belonging(parts: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """The parts that make up the letter, given heaviest first."""
    height, width = shape

    def at_edge(part: Component) -> bool:
        return part.top == 0 or part.left == 0 or part.bottom == height or part.right == width

    # A table beside the paper or a page's rim touches the edge. So does a tightly cropped letter, but
    # then nothing letter-sized stands free of the edge.
    free = [part for part in parts if not at_edge(part)]
    if any(part.longer_side >= max(shape) / 5 for part in free):
        parts = free
    main, *others = parts
    reach = REACH * main.longer_side

    def near(part: Component) -> bool:
        across = max(main.left - part.right, part.left - main.right, 0)
        down = max(main.top - part.bottom, part.top - main.bottom, 0)
        return max(across, down) <= reach

    return [main, *(part for part in others if part.weight >= SPECK * main.weight and near(part))]


def _framed(view: _View) -> NDArray[np.float32]:
    """Scale the letter to LETTER_SIDE, centre it in SIDE x SIDE, black on white: (128, 128, 3), 0..255."""
    left, top, right, bottom = view.box
    scale = LETTER_SIDE / view.longer_side
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    scaled = Image.fromarray(view.ink).resize(size, Image.Resampling.BICUBIC, box=view.box)
    ink = np.asarray(scaled)
    ink = np.clip(ink / max(float(np.percentile(ink[ink > ink.max() / 2], 75)), 1e-6), 0, 1)
    square = np.full((SIDE, SIDE), 255.0, dtype=np.float32)
    x, y = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    square[y : y + size[1], x : x + size[0]] = np.rint(255 * (1 - ink))
    return np.repeat(square[:, :, None], 3, axis=2)


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, dtype=np.float32)
