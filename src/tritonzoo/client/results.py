"""What the typed calls give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from tritonzoo.client.transport import Array

C = TypeVar("C", bound="Classification")

NAMED_CUTS = 5  # texts that a warning names one by one before it says "and N more"


@dataclass(frozen=True)
class Classification:
    """A label, the probability of it, and that of every label in the order of the model's labels.txt."""

    label: str
    score: float
    probabilities: tuple[float, ...]

    @classmethod
    def from_row(cls: type[C], row: Mapping[str, Array]) -> C:
        """Read one row of the outputs label BYTES [1], score FP32 [1], probabilities FP32 [labels]."""
        return cls(
            label=row["label"].item().decode(),
            score=float(row["score"].item()),
            probabilities=tuple(row["probabilities"].tolist()),
        )


@dataclass(frozen=True)
class Sentiment(Classification):
    """Whether a text speaks well or ill: label `negative` or `positive`."""


@dataclass(frozen=True)
class Letter(Classification):
    """Which letter a picture shows: label `a` to `z`."""


class TextTruncated(UserWarning):
    """A text was longer than its model takes, and its end was left out of the answer.

    `truncated` maps the row of each such text to the number of tokens that were left out.
    """

    def __init__(self, truncated: Mapping[int, int], texts: int) -> None:
        self.truncated = dict(truncated)
        named = [f"text {row} lost {tokens} tokens" for row, tokens in sorted(truncated.items())]
        more = len(named) - NAMED_CUTS
        listed = ", ".join(named[:NAMED_CUTS]) + (f" and {more} more" if more > 0 else "")
        super().__init__(
            f"{len(named)} of {texts} texts (counted from 0) exceeded what the model takes and were cut: "
            f"{listed}; split them into shorter texts"
        )
