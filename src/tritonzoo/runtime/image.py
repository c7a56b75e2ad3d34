"""Read a picture from the bytes of its file: any common format, orientation, depth and transparency."""

from __future__ import annotations

import io
import math
import struct
import threading

import numpy as np
from PIL import Image, ImageOps

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.payload import file_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 50_000_000  # a 50-megapixel phone photo; 200 MB as RGBA, the most one request may take
WORKING_PIXELS = 16_000_000  # a picture of more is reduced, once decoded, before anything is made of it
DRAFT_SIDE = 1024  # pixels; a JPEG of twice this or more is decoded at 1/2, 1/4 or 1/8, which is far faster

_WANTED = "a PNG, JPEG, WebP, BMP, GIF or TIFF file, as it is or as base64 text"
_pillow_limit_lock = threading.Lock()


def decode(data: bytes) -> Image.Image:
    """The picture in `data`, upright and opaque, in mode RGB.

    Takes a file's bytes or base64 text of them. EXIF orientation is applied, 16-bit and floating-point
    greys are scaled to 8 bits, animations give their first frame, and transparency is laid on a paper
    that the ink stands out from. The size is checked before any pixel is decoded. Large JPEG files
    come at a half, a quarter or an eighth of their size, not below 1024 pixels on the shorter side.

    Raises InvalidInput for anything that is not one whole picture of at most MAX_PIXELS pixels.
    """
    content = file_bytes(data, "image")
    image = _opened(content)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidInput(
            f"image is {width}x{height}, {width * height / 1e6:.0f} million pixels; at most "
            f"{MAX_PIXELS // 1_000_000} million are accepted, so make it smaller"
        )
    image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        upright = _manageable(_eight_bit(image))
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error) as error:
        # Pillow's plugins raise any of these on damaged content; their text may name internals.
        state = "ends too early" if "truncated" in str(error).lower() else "is damaged"
        raise InvalidInput(
            f"image is a {image.format} file of {len(content)} bytes that {state}; send the whole file again"
        ) from None
    return _opaque(upright)


def _opened(content: bytes) -> Image.Image:
    """Read the header only: the format and the size are known, no pixel is decoded."""
    # Pillow's own limit warns or raises without naming the size; ours, right after, names it.
    with _pillow_limit_lock:
        pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(content), formats=FORMATS)
        except Exception:  # noqa: BLE001  whatever a format's reader trips over, the caller's file is at fault
            raise InvalidInput(
                f"image is {_guess(content)}, which cannot be read as a picture; send {_WANTED}"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_limit


def _guess(content: bytes) -> str:
    """What content that is no readable picture probably is, in words, for the error's sentence."""
    head = content[:512].lstrip()
    if content[4:8] == b"ftyp":
        return "an HEIC or AVIF photo or a video"
    for magic, name in ((b"%PDF", "a PDF file"), (b"PK\x03\x04", "a ZIP archive or office document")):
        if head.startswith(magic):
            return name
    if b"<svg" in head:
        return "an SVG drawing"
    for magic, name in ((b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"RIFF", "WebP")):
        if head.startswith(magic):
            return f"a {name} file of {len(content)} bytes that is damaged or ends too early"
    if head and all(byte in b"\t\r\n" or byte >= 32 for byte in head) and b"\x7f" not in head:
        return f"text ({len(content)} bytes)"
    return f"{len(content)} bytes of something else"


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point greys to 8 bits; other modes pass unchanged."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and 255 < high <= 65535:
        low, high = 0.0, 65535.0
    per_level = 255.0 / max(high - low, 1e-12)
    levels = np.empty(values.shape, dtype=np.uint8)
    for row, line in enumerate(values):  # line by line: the whole as floats would be eight times as large
        levels[row] = np.rint((line.astype(np.float64) - low) * per_level)
    return Image.fromarray(levels)


def _manageable(image: Image.Image) -> Image.Image:
    """Reduce a picture of more than WORKING_PIXELS by a whole factor; others pass unchanged."""
    factor = math.ceil(math.sqrt(image.width * image.height / WORKING_PIXELS))
    if factor <= 1:
        return image
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return (image if image.mode == mode else image.convert(mode)).reduce(factor)


def _opaque(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on a paper that its ink stands out from; mode RGB.

    A drawing on nothing gets white paper when its ink is dark and black paper when it is light. A picture
    that is mostly opaque (a screenshot with round corners) keeps its own paper, the median visible colour.
    """
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    # A sample of about a million pixels is enough to know ink from paper, and bounds the memory.
    step = max(1, round((rgba.width * rgba.height / 1e6) ** 0.5))
    pixels = np.asarray(rgba)[::step, ::step]
    visible = pixels[pixels[..., 3] >= 128][:, :3]
    if len(visible) == 0:  # nothing is opaque: what little there is counts
        visible = pixels[pixels[..., 3] > 0][:, :3]
    if len(visible) == 0:
        raise InvalidInput("image is wholly transparent; send a letter drawn in a visible colour")
    mostly_opaque = 2 * len(visible) > pixels.shape[0] * pixels.shape[1]
    flat = visible.std(axis=0).max() < 4  # grey levels: all one colour, so it is transparency that draws
    if mostly_opaque and not flat:
        paper = tuple(int(level) for level in np.median(visible, axis=0))
    else:
        paper = (255, 255, 255) if visible.mean() < 128 else (0, 0, 0)
    sheet = Image.new("RGBA", rgba.size, (*paper, 255))
    return Image.alpha_composite(sheet, rgba).convert("RGB")
