"""Letters from typefaces that imitate handwriting: the forms that fifteen writers happen not to use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# Files by Debian package; the licences are in README.md.
PACKAGES = {
    "fonts-breip": ("Breip",),
    "fonts-comic-neue": ("ComicNeue-Light", "ComicNeue-BoldItalic", "ComicNeue-Regular"),
    "fonts-dancingscript": ("DancingScript-Regular", "DancingScript-Bold"),
    "fonts-dkg-handwriting": ("dkg", "dkgIt"),
    "fonts-ecolier-court": ("Ecolier-court",),
    "fonts-kiloji": ("kiloji", "kiloji_d"),
    "fonts-klee": ("KleeOne-Regular",),
    "fonts-kristi": ("Kristi",),
    "fonts-nanum-extra": ("NanumPen", "NanumBrush", "NanumBarunpenR"),
    "fonts-rufscript": ("Rufscript010",),
    "fonts-sil-andika": ("Andika-Regular", "Andika-Italic"),
    "fonts-sjfonts": ("Delphine", "SteveHand"),
    "fonts-tlwg-purisa-ttf": ("Purisa", "Purisa-Oblique"),
    "fonts-yusei-magic": ("YuseiMagic-Regular",),
}  # fmt: skip


def find_typefaces(folder: Path) -> list[Path]:
    """The files of PACKAGES under `folder`, in a fixed order. Raises FileNotFoundError naming what lacks."""
    found = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".ttf", ".otf")}
    lacking = [package for package, stems in PACKAGES.items() if not all(stem in found for stem in stems)]
    if lacking:
        raise FileNotFoundError(
            f"{folder} lacks typefaces; install them with: apt-get install {' '.join(lacking)}"
        )
    return [found[stem] for stems in PACKAGES.values() for stem in stems]


def typeset(path: Path, character: str, side: int, rng: np.random.Generator) -> Image.Image:
    """Ink of one letter of a typeface, turned, slanted and thickened a little; mode L, 255 is ink."""
    font = ImageFont.truetype(str(path), size=2 * side)
    left, top, right, bottom = font.getbbox(character)
    margin = side // 2
    canvas = Image.new("L", (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin))
    ImageDraw.Draw(canvas).text((margin - left, margin - top), character, font=font, fill=255)
    pen = rng.integers(-1, 3)  # steps of about side / 40 thinner or thicker
    for _ in range(abs(int(pen))):
        width = 1 + 2 * max(1, side // 40)
        canvas = canvas.filter(ImageFilter.MinFilter(width) if pen < 0 else ImageFilter.MaxFilter(width))
    slant, squeeze = rng.normal(0, 0.12), np.exp(rng.normal(0, 0.12))
    middle_x, middle_y = canvas.width / 2, canvas.height / 2
    canvas = canvas.transform(
        canvas.size,
        Image.Transform.AFFINE,
        (squeeze, slant, middle_x * (1 - squeeze) - slant * middle_y, 0, 1, 0),
        Image.Resampling.BILINEAR,
    ).rotate(rng.normal(0, 5), Image.Resampling.BILINEAR, expand=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"{path.name} draws nothing for {character!r}; leave this typeface out")
    ink = canvas.crop(box)
    share = side / max(ink.size)
    return ink.resize(
        (max(1, round(ink.width * share)), max(1, round(ink.height * share))), Image.Resampling.BOX
    )
