"""The pipelines that have a typed call: what each takes, and what its answer is made into."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.results import Letter, Sentiment
from tritonzoo.client.rows import Row
from tritonzoo.client.tensors import file_bytes, text_bytes
from tritonzoo.errors import InvalidInputError

R = TypeVar("R")


@dataclass(frozen=True)
class Task(Generic[R]):
    """One pipeline with one BYTES input."""

    pipeline: str
    tensor: str
    encode: Callable[[object], bytes]  # one input; raises InvalidInputError
    decode: Callable[[Row], R]  # one row of the answer

    def encoded(
        self, values: Iterable[object], *, return_exceptions: bool
    ) -> list[bytes | InvalidInputError]:
        """Every value as bytes; the mistake of one is raised with its row, or stands in its place."""
        encoded: list[bytes | InvalidInputError] = []
        for row, value in enumerate(values):
            try:
                encoded.append(self.encode(value))
            except InvalidInputError as mistake:
                refused = InvalidInputError(mistake.sentence, row)
                if not return_exceptions:
                    raise refused from None
                encoded.append(refused)
        return encoded


def embedding_of(row: Row) -> NDArray[np.float32]:
    """Return the embedding, shape (d,)."""
    return row["embedding"]


EMBEDDING = Task("ensemble_embedding", "text", text_bytes, embedding_of)
SENTIMENT = Task("ensemble_sentiment", "text", text_bytes, Sentiment.from_row)
HANDWRITING = Task("ensemble_handwriting", "image", file_bytes, Letter.from_row)
