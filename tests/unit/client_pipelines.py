"""Pipelines that exist only as functions, for tests of the client and of `infer`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tritonzoo.client import FakeTransport, Pipeline, Tensor
from tritonzoo.client.transport import Array
from tritonzoo.errors import InvalidInputError

TEXT = Tensor("text", "BYTES", (1,))
SCORES = (
    Tensor("label", "BYTES", (1,)),
    Tensor("score", "FP32", (1,)),
    Tensor("probabilities", "FP32", (-1,)),
)
EMBEDDING = Pipeline(
    "ensemble_embedding",
    (TEXT,),
    (Tensor("embedding", "FP32", (-1,)), Tensor("truncated_tokens", "INT32", (1,))),
    max_batch_size=4,
)
SENTIMENT = Pipeline("ensemble_sentiment", (TEXT,), SCORES, max_batch_size=4)
HANDWRITING = Pipeline("ensemble_handwriting", (Tensor("image", "BYTES", (1,)),), SCORES, max_batch_size=4)
DOUBLE = Pipeline(
    "double",
    (Tensor("x", "FP32", (-1,)), Tensor("n", "INT64", (1,), optional=True)),
    (Tensor("y", "FP32", (-1,)),),
    max_batch_size=0,
    is_ensemble=False,
)
LONGEST_TEXT = 20  # characters that the fake models take


def vector(text: bytes) -> list[float]:
    """Return what the fake embeds a text as: its length and its first byte."""
    return [float(len(text)), float(text[0])]


def _embed(inputs: Mapping[str, Array]) -> dict[str, Array]:
    texts = _texts(inputs["text"])
    cut = [[max(0, len(text) - LONGEST_TEXT)] for text in texts]
    return {
        "embedding": np.array([vector(text) for text in texts], np.float32),
        "truncated_tokens": np.array(cut, np.int32),
    }


def _texts(batch: Array) -> list[bytes]:
    assert batch.ndim == 2 and batch.shape[1] == 1 and len(batch) <= 4
    texts = batch[:, 0].tolist()
    if b"" in texts:
        raise InvalidInputError("text is empty; send at least one character")
    return texts


def _judge(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return _scores([[0.25, 0.75] if b"good" in text else [1.0, 0.0] for text in _texts(inputs["text"])], "np")


def _read(inputs: Mapping[str, Array]) -> dict[str, Array]:
    images = inputs["image"][:, 0].tolist()
    if not all(image.startswith(b"PNG") for image in images):
        raise InvalidInputError("image is not a PNG file; send one")
    return _scores([np.eye(26)["abcdefghijklmnopqrstuvwxyz".index(chr(image[3]))] for image in images], "az")


def _scores(probabilities: list, kind: str) -> dict[str, Array]:
    table = np.array(probabilities, np.float32)
    labels = [b"negative", b"positive"] if kind == "np" else [bytes([97 + i]) for i in range(26)]
    return {
        "label": np.array([[labels[i]] for i in table.argmax(1)], object),
        "score": table.max(1, keepdims=True),
        "probabilities": table,
    }


def fake() -> FakeTransport:
    """Return a server with the three pipelines and one model that is none."""
    return FakeTransport(
        {
            EMBEDDING: _embed,
            SENTIMENT: _judge,
            HANDWRITING: _read,
            DOUBLE: lambda inputs: {"y": inputs["x"] * 2},
        }
    )
