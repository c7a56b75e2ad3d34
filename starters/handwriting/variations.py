"""The ways in which a picture of the same letter differs: what accuracy is measured on besides the scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pictures import Circumstances, picture
from PIL import Image, ImageFilter, ImageOps
from strokes import drawn, read_omniglot

Variation = Callable[[Path, np.random.Generator], Image.Image]


def scan(path: Path, rng: np.random.Generator) -> Image.Image:
    """The drawing as Omniglot has it: 105x105, black on white."""
    return Image.open(path).convert("RGB")


def light_on_dark(path: Path, rng: np.random.Generator) -> Image.Image:
    return ImageOps.invert(scan(path, rng))


def coloured(path: Path, rng: np.random.Generator) -> Image.Image:
    """Two random colours at least 100 grey levels apart in one channel."""
    while True:
        ink, paper = (tuple(colour) for colour in rng.integers(0, 256, (2, 3)).tolist())
        if max(abs(a - b) for a, b in zip(ink, paper, strict=True)) >= 100:
            return ImageOps.colorize(scan(path, rng).convert("L"), ink, paper)


def fat_pen(path: Path, rng: np.random.Generator) -> Image.Image:
    """Drawn again from its strokes with a pen of 0.14 of the letter's side."""
    return _redrawn(path, 90, 0.14, Circumstances(), rng)


def thin_pen(path: Path, rng: np.random.Generator) -> Image.Image:
    """Drawn again from its strokes with a pen of 0.02 of the letter's side, 400 pixels large."""
    return _redrawn(path, 400, 0.02, Circumstances(), rng)


def photographed(path: Path, rng: np.random.Generator) -> Image.Image:
    """Blue ballpoint on cream paper, shaded, grainy, a little blurred, JPEG."""
    return _redrawn(path, 200, 0.05, _photo(rng), rng)


def small(path: Path, rng: np.random.Generator) -> Image.Image:
    """28x28 pixels, the size of MNIST."""
    return scan(path, rng).resize((28, 28), Image.Resampling.BOX)


def large_canvas(path: Path, rng: np.random.Generator) -> Image.Image:
    """The scan somewhere on a sheet of 1500x2000 pixels."""
    sheet = Image.new("RGB", (1500, 2000), "white")
    sheet.paste(scan(path, rng), (int(rng.integers(0, 1395)), int(rng.integers(0, 1895))))
    return sheet


def enlarged(path: Path, rng: np.random.Generator) -> Image.Image:
    """2000x2000 pixels."""
    return scan(path, rng).resize((2000, 2000), Image.Resampling.BICUBIC)


def cropped(path: Path, rng: np.random.Generator) -> Image.Image:
    """Cropped to the ink, one pixel of paper left."""
    image = scan(path, rng)
    left, top, right, bottom = ImageOps.invert(image).getbbox()
    return image.crop((left - 1, top - 1, right + 1, bottom + 1))


def turned(path: Path, rng: np.random.Generator) -> Image.Image:
    """Rotated by up to 12 degrees either way."""
    turn = rng.uniform(-12, 12)
    return scan(path, rng).rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def speckled(path: Path, rng: np.random.Generator) -> Image.Image:
    """Twenty single black pixels on the paper, then slightly blurred."""
    image = scan(path, rng)
    for x, y in rng.integers(0, 105, (20, 2)).tolist():
        image.putpixel((x, y), (0, 0, 0))
    return image.filter(ImageFilter.GaussianBlur(0.5))


VARIATIONS: tuple[Variation, ...] = (
    scan,
    light_on_dark,
    coloured,
    fat_pen,
    thin_pen,
    photographed,
    small,
    large_canvas,
    enlarged,
    cropped,
    turned,
    speckled,
)


def _photo(rng: np.random.Generator) -> Circumstances:
    return Circumstances(
        ink=(40, 50, 120),
        paper=(225, 215, 195),
        margin=tuple(rng.uniform(0.2, 1.0, 4)),
        shading=tuple(rng.uniform(-0.4, 0.4, 2)),
        grain=6.0,
        patchiness=0.3,
        blur_px=1.0,
        jpeg_quality=60,
    )


def _redrawn(path: Path, side: int, pen: float, how: Circumstances, rng: np.random.Generator) -> Image.Image:
    return picture(drawn(read_omniglot(path.with_suffix(".txt")), side, pen, rng), how, rng)
