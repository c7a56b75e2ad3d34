"""Bad input gets a clear error of its own, as a caller's mistake, and nobody else notices."""

from __future__ import annotations

import base64
import io
import json
import struct
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from PIL import Image, ImageDraw

from tritonzoo import Client
from tritonzoo.errors import CallError

LEAKS = ("Traceback", "site-packages", "model.py", '.py"', "/usr", "/home", "/root", "/opt", "/tmp", "/var")


def letter_png(size: tuple[int, int] = (64, 64)) -> bytes:
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).line(
        (size[0] // 2, 8, size[0] // 2, size[1] - 8), fill=0, width=max(2, size[0] // 16)
    )
    return encoded(image)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def png_header(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that promises so many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


TEXT, IMAGE = ("ensemble_embedding", "text"), ("ensemble_handwriting", "image")
BAD = {
    "empty text": (*TEXT, b"", "empty"),
    "only spaces": (*TEXT, b" \n\t ", "empty"),
    "invalid UTF-8": (*TEXT, b"caf\xe9 noir", "UTF-8"),
    "2 MB of text": (*TEXT, b"word " * 400_000, "bytes"),
    "empty bytes": (*IMAGE, b"", "empty"),
    "a truncated PNG": (*IMAGE, letter_png((400, 400))[:-90], "PNG"),
    "a text file named .png": (*IMAGE, b"Dear diary, today I drew an a.\n", "text"),
    "a 1x1 image": (*IMAGE, encoded(Image.new("RGB", (1, 1), "white")), "1"),
    "a blank image": (*IMAGE, encoded(Image.new("RGB", (200, 200), "white")), "ink"),
    "a 20000x20000 image": (*IMAGE, png_header(20_000, 20_000, zlib.compress(b"\0" * 20_001)), "20000"),
    "a decompression bomb": (
        *IMAGE,
        png_header(60_000, 60_000, zlib.compress(b"\0" * 40_000_000, 9)),
        "60000",
    ),
    "base64 that does not decode": (*IMAGE, base64.b64encode(letter_png())[:-91], "base64"),
}


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/octet-stream", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def binary_infer(http_url: str, pipeline: str, tensor: str, data: bytes) -> tuple[int, str]:
    """One BYTES element by Triton's binary extension, which carries any bytes."""
    payload = struct.pack("<I", len(data)) + data
    tensors = [
        {
            "name": tensor,
            "shape": [1, 1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(payload)},
        }
    ]
    header = json.dumps({"inputs": tensors}).encode()
    url = f"{http_url}/v2/models/{pipeline}/infer"
    return post(url, header + payload, {"Inference-Header-Content-Length": str(len(header))})


def assert_clear(message: str, expected: str) -> None:
    assert expected.lower() in message.lower(), message
    assert not [leak for leak in LEAKS if leak in message], message


@pytest.mark.parametrize(("pipeline", "tensor", "data", "expected"), BAD.values(), ids=BAD.keys())
def test_over_grpc(triton, pipeline: str, tensor: str, data: bytes, expected: str) -> None:
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        given = grpcclient.InferInput(tensor, [1, 1], "BYTES")
        given.set_data_from_numpy(np.array([[data]], dtype=object))
        with pytest.raises(grpcclient.InferenceServerException) as caught:
            client.infer(pipeline, [given])

    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert_clear(caught.value.message(), expected)


@pytest.mark.parametrize(("pipeline", "tensor", "data", "expected"), BAD.values(), ids=BAD.keys())
def test_over_http(triton, pipeline: str, tensor: str, data: bytes, expected: str) -> None:
    status, answer = binary_infer(triton.http_url, pipeline, tensor, data)

    assert status == 400, answer
    assert_clear(json.loads(answer)["error"], expected)


SHAPES = {
    "wrong dtype": ({"name": "text", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}, "ensemble_embedding", "data-type"),
    "wrong rank": ({"name": "text", "shape": [1, 1, 1], "datatype": "BYTES", "data": ["a"]}, "ensemble_embedding", "shape"),
    "wrong dims": ({"name": "text", "shape": [1, 2], "datatype": "BYTES", "data": ["a", "b"]}, "ensemble_embedding", "shape"),
    "no rows": ({"name": "text", "shape": [0, 1], "datatype": "BYTES", "data": []}, "ensemble_embedding", "elements"),
    "too many rows": ({"name": "text", "shape": [999, 1], "datatype": "BYTES", "data": ["a"] * 999}, "ensemble_embedding", "batch"),
    "another input": ({"name": "txt", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]}, "ensemble_embedding", "txt"),
    "unknown model": ({"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]}, "ensemble_nothing", "ensemble_nothing"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "pipeline", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_wrong_tensors_over_http(triton, given: dict[str, object], pipeline: str, expected: str) -> None:
    status, answer = post(
        f"{triton.http_url}/v2/models/{pipeline}/infer", json.dumps({"inputs": [given]}).encode()
    )

    assert 400 <= status < 500, answer
    assert_clear(json.loads(answer)["error"], expected)


@pytest.mark.parametrize(("given", "pipeline", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_wrong_tensors_over_grpc(triton, given: dict[str, object], pipeline: str, expected: str) -> None:
    dtype = np.float32 if given["datatype"] == "FP32" else object
    values = [value.encode() if isinstance(value, str) else value for value in given["data"]]
    tensor = grpcclient.InferInput(given["name"], given["shape"], given["datatype"])
    tensor.set_data_from_numpy(np.array(values, dtype=dtype).reshape(given["shape"]))

    with (
        grpcclient.InferenceServerClient(triton.grpc_url) as client,
        pytest.raises(grpcclient.InferenceServerException) as caught,
    ):
        client.infer(pipeline, [tensor])

    assert caught.value.status() in ("StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND")
    assert_clear(caught.value.message(), expected)


def test_a_missing_input_is_named(triton) -> None:
    status, answer = post(f"{triton.http_url}/v2/models/ensemble_embedding/generate", b"{}")

    assert 400 <= status < 500, answer
    assert_clear(json.loads(answer)["error"], "input")


def test_good_requests_in_the_same_batch_are_answered(triton) -> None:
    """Good and bad texts and pictures at once: each good one has its right answer, each bad one its error."""
    with Client(triton.grpc_url, timeout_s=120) as client:
        expected = client.sentiment("A delight from start to finish.")
        pictured = client.handwriting(letter_png())

        def text(index: int) -> object:
            try:
                return client.sentiment("A delight from start to finish." if index % 2 else "")
            except CallError as error:
                return error

        def picture(index: int) -> object:
            try:
                return client.handwriting(letter_png() if index % 2 else letter_png()[:-40])
            except CallError as error:
                return error

        with ThreadPoolExecutor(32) as pool:
            texts, pictures = list(pool.map(text, range(64))), list(pool.map(picture, range(64)))

    for answers, good in ((texts, expected), (pictures, pictured)):
        for index, answer in enumerate(answers):
            if index % 2:
                assert answer.label == good.label
                assert answer.score == pytest.approx(good.score, abs=1e-5)
            else:
                assert isinstance(answer, CallError)


def test_a_megabyte_of_text_is_answered_and_said_to_be_cut(triton) -> None:
    with Client(triton.grpc_url, timeout_s=120) as client:
        answer = client.infer("ensemble_embedding", {"text": [["word " * 200_000]]})

    assert answer["embedding"].shape == (1, 384)
    assert answer["truncated_tokens"].item() > 190_000
