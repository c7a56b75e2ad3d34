"""Turn ink into a picture that a person might send: paper, colours, light, camera, file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Circumstances:
    """How a picture came about. Levels are grey levels 0..255; margins are shares of the letter's side."""

    ink: tuple[int, int, int] = (0, 0, 0)
    paper: tuple[int, int, int] = (255, 255, 255)
    margin: tuple[float, float, float, float] = (0.3, 0.3, 0.3, 0.3)  # left, top, right, bottom
    shading: tuple[float, float] = (0.0, 0.0)  # light lost from edge to edge, across and down; a share of it
    grain: float = 0.0  # levels, standard deviation of each pixel
    patchiness: float = 0.0  # share of the ink missing in places, as from a dry pen
    blur_px: float = 0.0
    jpeg_quality: int | None = None


def any_circumstances(rng: np.random.Generator) -> Circumstances:
    """Draw circumstances at random: half the pictures clean, as from a drawing program, half photographed."""
    margin = tuple(rng.uniform(0.0, rng.choice([0.1, 0.4, 1.5]), 4))
    dark, light = rng.integers(0, 110, 3), rng.integers(150, 256, 3)
    if rng.random() < 0.5:
        dark, light = np.full(3, rng.integers(0, 80)), np.full(3, rng.integers(190, 256))
    ink, paper = (light, dark) if rng.random() < 0.3 else (dark, light)
    colours = {"ink": tuple(ink.tolist()), "paper": tuple(paper.tolist()), "margin": margin}
    if rng.random() < 0.5:
        return Circumstances(**colours)
    return Circumstances(
        **colours,
        shading=tuple(rng.uniform(-0.4, 0.4, 2)),
        grain=float(rng.choice([0, 2, 5, 10])),
        patchiness=float(rng.choice([0, 0, 0.3, 0.6])),
        blur_px=float(rng.choice([0, 0, 0.5, 1.0, 1.5])),
        jpeg_quality=int(rng.integers(40, 96)),
    )


def picture(ink: Image.Image, how: Circumstances, rng: np.random.Generator) -> Image.Image:
    """Lay ink (mode L, 255 is full ink) on paper under the given circumstances; mode RGB."""
    side = max(ink.size)
    left, top, right, bottom = (round(share * side) for share in how.margin)
    sheet = Image.new("L", (left + ink.width + right, top + ink.height + bottom))
    sheet.paste(ink, (left, top))
    if how.blur_px:
        sheet = sheet.filter(ImageFilter.GaussianBlur(how.blur_px))
    cover = np.asarray(sheet, dtype=np.float32)[..., None] / 255
    if how.patchiness:
        cover = cover * (1 - how.patchiness * _cloud(sheet.size, rng)[..., None])
    levels = np.array(how.paper) * (1 - cover) + np.array(how.ink) * cover
    if any(how.shading):
        across, down = np.meshgrid(*(np.linspace(-0.5, 0.5, length) for length in sheet.size))
        levels = (
            levels
            * (
                1
                - abs(how.shading[0]) / 2
                - abs(how.shading[1]) / 2
                - across * how.shading[0]
                - down * how.shading[1]
            )[..., None]
        )
    if how.grain:
        levels = levels + rng.normal(0, how.grain, levels.shape)
    image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if how.jpeg_quality is None:
        return image
    file = io.BytesIO()
    image.save(file, "JPEG", quality=how.jpeg_quality)
    return Image.open(file).convert("RGB")


def _cloud(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth random patches between 0 and 1, (height, width)."""
    coarse = rng.random((6, 6)).astype(np.float32)
    return np.clip(np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)), 0, 1)
