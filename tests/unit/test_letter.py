"""The letter is found and set the same way, however its picture came about."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.letter import LETTER_SIDE, SIDE, letter

MARGIN = (SIDE - LETTER_SIDE) // 2


def k(
    size: tuple[int, int] = (100, 100), at: tuple[int, int] = (30, 20), scale: float = 1.0, pen: int = 5
) -> Image.Image:
    """A k, 40 wide and 60 high at scale 1."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for line in ([(0, 0), (0, 60)], [(38, 20), (2, 38)], [(12, 34), (40, 60)]):
        draw.line([(at[0] + x * scale, at[1] + y * scale) for x, y in line], fill="black", width=pen)
    return image


def i_with_dot(pen: int = 5) -> Image.Image:
    image = Image.new("RGB", (100, 100), "white")
    draw = ImageDraw.Draw(image)
    draw.line([(50, 40), (50, 85)], fill="black", width=pen)
    draw.ellipse((48, 24, 52, 28), fill="black")
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over the square of the difference in grey levels."""
    return float(np.abs(letter(one) - letter(other)).mean())


def shaded(image: Image.Image, strength: float, grain: float) -> Image.Image:
    """Light that falls from one side, and grain."""
    levels = np.asarray(image, dtype=float) * np.linspace(1, 1 - strength, image.width)[None, :, None]
    levels += np.random.default_rng(0).normal(0, grain, levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def test_the_square_has_the_letter_black_on_white_in_the_middle() -> None:
    square = letter(k())

    assert square.shape == (SIDE, SIDE, 3)
    assert square.dtype == np.float32
    assert square.min() == 0
    assert square.max() == 255
    rows, columns = np.nonzero(square[..., 0] < 128)
    assert abs(int(rows.min()) - MARGIN) <= 1
    assert abs(int(rows.max()) - (SIDE - 1 - MARGIN)) <= 1
    assert abs(int(columns.min() + columns.max()) - (SIDE - 1)) <= 2  # centred across
    assert np.array_equal(square[..., 0], square[..., 2])


def test_the_same_picture_gives_the_same_square() -> None:
    assert np.array_equal(letter(k()), letter(k()))


@pytest.mark.parametrize(
    "other",
    [
        ImageOps.invert(k()),
        ImageOps.colorize(k().convert("L"), "navy", "beige"),
        ImageOps.colorize(k().convert("L"), "red", "green"),  # the same brightness
        ImageOps.colorize(k().convert("L"), "yellow", "black"),
        k().point(lambda level: 120 + level // 6),  # a faint pencil
        k(at=(2, 38)),
        k(size=(1000, 700), at=(900, 20)),
        ImageOps.expand(k(), 12, "black"),
        k().crop((26, 17, 75, 84)),
    ],
    ids="inverted coloured same-brightness yellow faint off-centre small-on-large framed cropped".split(),
)
def test_colours_place_and_surroundings_change_nothing(other: Image.Image) -> None:
    assert difference(k(), other) < 3


@pytest.mark.parametrize("factor", [0.4, 3, 12, 30])
def test_size_changes_little(factor: float) -> None:
    side = round(100 * factor)

    assert difference(k(), k().resize((side, side), Image.Resampling.BICUBIC)) < 9


def test_a_photographed_sheet_gives_the_letter_without_its_shade() -> None:
    photo = shaded(k((300, 300), (90, 60), 3, 15), strength=0.5, grain=6)

    assert difference(k((300, 300), (90, 60), 3, 15), photo) < 6


def test_a_sheet_is_cut_out_of_the_table_it_lies_on() -> None:
    table = Image.new("RGB", (300, 260), (90, 60, 30))
    table.paste(k((180, 180), (60, 40), 1.5, 6), (60, 40))

    assert difference(k((180, 180), (60, 40), 1.5, 6), table) < 3


def test_specks_are_left_out_and_the_dot_of_i_is_kept() -> None:
    specks = i_with_dot()
    for x, y in ((5, 7), (90, 12), (80, 70), (10, 60)):
        specks.putpixel((x, y), (0, 0, 0))

    assert difference(i_with_dot(), specks) < 1
    dot = letter(specks)[: SIDE // 4]
    assert (dot < 128).any()


def test_a_line_of_one_pixel_in_a_large_picture_keeps_its_full_strength() -> None:
    square = letter(k((2400, 2400), (500, 300), 30, pen=1))

    assert square.min() < 30
    column = square[MARGIN + 10 : SIDE - MARGIN - 10, MARGIN + 8 : MARGIN + 32, 0].min(
        axis=1
    )  # down the stem
    assert np.median(column) < 120


def test_a_fat_letter_cropped_tightly_is_not_taken_for_its_paper() -> None:
    image = k((68, 84), (14, 12), pen=17)

    square = letter(image)

    assert (letter(ImageOps.invert(image)) == square).mean() > 0.99
    assert difference(ImageOps.expand(image, 40, "white"), image) < 6


def test_an_l_cropped_to_a_bar_with_a_pixel_of_paper_is_still_an_l() -> None:
    bar = Image.new("RGB", (7, 60), "white")
    bar.paste("black", (1, 1, 6, 59))

    square = letter(bar)

    assert (square[SIDE // 2, :, 0] < 128).sum() == pytest.approx(LETTER_SIDE * 5 / 58, abs=2)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (200, 100), "teal"),
        shaded(Image.new("RGB", (200, 200), "white"), strength=0.4, grain=0),
        shaded(Image.new("RGB", (200, 200), (200, 200, 200)), strength=0, grain=8),
        k().filter(ImageFilter.GaussianBlur(60)),
        Image.new("RGB", (5000, 1), "black"),
    ],
    ids="one-pixel flat shaded grainy blurred-away thread".split(),
)
def test_a_picture_without_ink_is_refused_with_its_size_and_the_remedy(image: Image.Image) -> None:
    with pytest.raises(InvalidInput, match=f"no ink .{image.width}x{image.height} pixels.*; send a picture"):
        letter(image)


@pytest.mark.parametrize("size", [(2, 2), (3, 200), (200, 3), (1, 50), (7, 5)])
def test_the_smallest_and_narrowest_pictures_give_a_square_or_a_refusal(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    image.putpixel((size[0] // 2, size[1] // 2), (0, 0, 0))
    try:
        square = letter(image)
    except InvalidInput as error:
        assert "no ink" in str(error)
    else:
        assert square.shape == (SIDE, SIDE, 3)
        assert np.isfinite(square).all()
