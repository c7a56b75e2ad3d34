"""handwriting_image as Triton would run it, with no server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

MODEL = Path(__file__).parents[2] / "model_repository" / "handwriting_image"


@pytest.fixture(scope="module")
def model() -> Iterator[LoadedModel]:
    with load_model(MODEL) as loaded:
        yield loaded


def cross(size: int = 100) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    draw.line([(20, 20), (70, 80)], fill="black", width=5)
    draw.line([(70, 20), (20, 80)], fill="black", width=5)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def rows(*files: bytes) -> np.ndarray:
    return np.array(files, dtype=object)[:, None]


def test_a_picture_becomes_one_square_of_pixels(model: LoadedModel) -> None:
    pixels = model.infer(image=rows(cross()))["pixels"]

    assert pixels.shape == (1, 128, 128, 3)
    assert pixels.dtype == np.float32
    assert pixels[0, 64, 64].max() < 30  # the arms cross in the middle
    assert pixels[0, 0, 0].min() == 255


def test_rows_are_answered_in_their_order_and_alike_in_base64(model: LoadedModel) -> None:
    larger = cross(300)

    together = model.infer(image=rows(cross(), base64.b64encode(larger)))["pixels"]

    assert np.array_equal(together[0], model.infer(image=rows(cross()))["pixels"][0])
    assert np.array_equal(together[1], model.infer(image=rows(larger))["pixels"][0])


def test_a_bad_row_is_named_and_costs_only_its_own_request(model: LoadedModel) -> None:
    good, bad = model.infer_batch([{"image": rows(cross())}, {"image": rows(cross(), b"", cross())}])

    assert isinstance(good, dict)
    assert isinstance(bad, TritonRequestError)
    assert bad.code == "INVALID_ARG"
    assert str(bad).endswith("row 1 of image is empty; send the bytes of a file, or base64 text of them")


def test_a_blank_picture_is_refused_with_the_remedy(model: LoadedModel) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(file, "PNG")

    with pytest.raises(
        TritonRequestError, match=r"no ink \(1x1 pixels.*send a picture of one letter"
    ) as error:
        model.infer(image=rows(file.getvalue()))

    assert error.value.code == "INVALID_ARG"
