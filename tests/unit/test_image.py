"""A picture is read whatever its format, depth and transparency, or refused with a sentence that helps."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.image import MAX_PIXELS, decode


def drawing(
    mode: str = "RGB", size: tuple[int, int] = (60, 80), paper: object = "white", ink: object = "black"
) -> Image.Image:
    """An L, so that turning and mirroring show."""
    image = Image.new(mode, size, paper)
    ImageDraw.Draw(image).line([(15, 10), (15, 65), (45, 65)], fill=ink, width=6)
    return image


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), dtype=int)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_common_format_is_read(format: str) -> None:
    read = decode(file_of(drawing(), format))

    assert read.mode == "RGB"
    assert read.size == (60, 80)
    assert np.abs(grey(read) - grey(drawing())).mean() < 3


@pytest.mark.parametrize(
    "encode",
    [
        base64.b64encode,
        base64.urlsafe_b64encode,
        base64.encodebytes,
        lambda data: base64.b64encode(data).rstrip(b"="),
        lambda data: b"data:image/png;base64," + base64.b64encode(data),
        lambda data: b"  " + base64.b64encode(data) + b"\r\n",
    ],
    ids=["standard", "url-safe", "over lines", "unpadded", "data URL", "with blanks"],
)
def test_base64_text_reads_as_the_file_itself(encode) -> None:
    data = file_of(drawing())

    assert decode(encode(data)).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_depth_and_colour_model_keeps_dark_dark_and_light_light(mode: str) -> None:
    if mode in ("I;16", "I", "F"):
        levels = grey(drawing()).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]) * 257
        data = file_of(Image.fromarray(levels), "TIFF")
    else:
        data = file_of(drawing().convert(mode), "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")

    read = grey(decode(data))

    assert read[65, 30] < 20
    assert read[5, 50] > 235


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    read = grey(decode(file_of(drawing().convert("CMYK"), "JPEG")))

    assert read[65, 30] < 40
    assert read[5, 50] > 215


def test_a_sideways_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the picture rotated by 90 degrees to the right

    turned = drawing().transpose(Image.Transpose.ROTATE_90)

    assert np.abs(grey(decode(file_of(turned, "JPEG", exif=exif, quality=95))) - grey(drawing())).mean() < 3


def test_an_animation_gives_its_first_frame() -> None:
    data = file_of(drawing(), "GIF", save_all=True, append_images=[Image.new("RGB", (60, 80), "red")])

    assert np.array_equal(grey(decode(data)), grey(drawing()))


@pytest.mark.parametrize(
    ("ink", "paper_is_light"),
    [("black", True), ((20, 40, 120, 255), True), ("white", False), ("yellow", False)],
)
def test_ink_on_nothing_gets_paper_that_it_stands_out_from(ink: object, paper_is_light: bool) -> None:
    read = grey(decode(file_of(drawing("RGBA", paper=(0, 0, 0, 0), ink=ink))))

    assert (read[5, 50] > 200) == paper_is_light
    assert abs(int(read[5, 50]) - int(read[65, 30])) > 100


def test_a_screenshot_with_transparent_corners_keeps_its_paper() -> None:
    image = drawing("RGBA", paper=(240, 240, 240, 255), ink=(10, 10, 10, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))

    assert grey(decode(file_of(image)))[0, 0] == 240


def test_a_letter_cut_out_of_a_flat_colour_by_transparency_shows() -> None:
    read = grey(decode(file_of(drawing("RGBA", paper=(30, 30, 30, 255), ink=(30, 30, 30, 0)))))

    assert read[5, 50] == 30
    assert read[65, 30] == 255


def test_a_wholly_transparent_picture_is_refused() -> None:
    with pytest.raises(InvalidInput, match="wholly transparent; send a letter drawn in a visible colour"):
        decode(file_of(Image.new("RGBA", (50, 50), (0, 0, 0, 0))))


@pytest.mark.parametrize("data", [b"", b"  \n", b"data:image/png;base64,"])
def test_no_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^image is"):
        decode(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"To whom it may concern: this is no picture.\n", "text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
        (b"%PDF-1.7 \x00", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"),
        (b"\x01\x02\x03\xff", "4 bytes of something else"),
        (b"aGVsbG8gd29ybGQ=", "text"),
        (b"/etc/passwd", "something else|text|base64"),
    ],
)
def test_what_is_no_picture_is_named_and_the_formats_are_listed(data: bytes, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as error:
        decode(data)

    assert "PNG, JPEG" in str(error.value) or "encode the file's bytes again" in str(error.value)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_file_is_never_half_a_letter(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)  # does not compress away
    data = file_of(Image.fromarray(noise), format)

    with pytest.raises(InvalidInput, match=r"ends too early|damaged|cannot be read") as error:
        decode(data[: int(len(data) * share)])

    assert "send" in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's about cut EXIF data in TIFF
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_file_cut_anywhere_is_refused_or_lacks_nothing_of_the_picture(format: str) -> None:
    data = file_of(drawing(), format)
    whole = np.asarray(decode(data))
    cuts = {len(data) - missing for missing in (1, 4, 12)} | set(range(20, len(data), 1 + len(data) // 40))
    for cut in cuts:
        try:
            read = np.asarray(decode(data[:cut]))
        except InvalidInput:
            continue
        assert np.array_equal(read, whole), f"cut at byte {cut} of {len(data)}"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_damaged_bytes_give_a_picture_or_a_sentence_but_never_another_error(format: str) -> None:
    data = bytearray(file_of(drawing(), format))
    rng = np.random.default_rng(1)
    for _ in range(200):
        damaged = data.copy()
        for position in rng.integers(0, len(data), 3):
            damaged[position] = rng.integers(0, 256)
        try:
            decode(bytes(damaged))
        except InvalidInput as error:
            assert "\n" not in str(error)
            assert "/" not in str(error).replace("base64", "")


def test_a_huge_picture_is_refused_by_its_header_with_size_and_limit() -> None:
    with pytest.raises(
        InvalidInput, match=f"20000x20000, 400 million pixels; at most {MAX_PIXELS // 1_000_000} million"
    ):
        decode(png_header(20000, 20000) + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b""))


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS

    decode(file_of(drawing()))

    assert before == Image.MAX_IMAGE_PIXELS


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    bomb = png_chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(20_000_000)))
    data = file_of(drawing())
    header_end = 8 + 25

    with pytest.raises(InvalidInput):
        decode(data[:header_end] + bomb + data[header_end:])


def test_a_large_jpeg_is_decoded_smaller() -> None:
    image = drawing().resize((3000, 4000))

    read = decode(file_of(image, "JPEG"))

    assert read.size == (1500, 2000)


@pytest.mark.parametrize("mode", ["1", "RGBA", "I;16"])
def test_a_very_large_picture_is_reduced_and_still_reads(mode: str) -> None:
    paper, ink = {"1": (1, 0), "RGBA": ((255, 255, 255, 255), (0, 0, 0, 255)), "I;16": (65535, 0)}[mode]
    image = Image.new(mode, (4100, 4100), paper)
    image.paste(ink, (1000, 1000, 2000, 3000))

    read = decode(file_of(image, "PNG", compress_level=1))

    assert read.size == (2050, 2050)
    assert grey(read)[750, 750] == 0
    assert grey(read)[100, 1500] == 255
