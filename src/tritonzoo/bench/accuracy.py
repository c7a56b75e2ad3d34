"""How right the answers are, where inputs have labels: label accuracy, or the word error rate of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tritonzoo.client.description import Pipeline
from tritonzoo.client.transport import Array
from tritonzoo.errors import BenchError

LABEL, TEXT = "label", "text"  # outputs that can be held to what labels.tsv says
_NO_WORD = re.compile(r"[^\w']+")


@dataclass(frozen=True)
class Accuracy:
    """`value` is a share, 0 to 1: of labels that are right, or of words that are wrong (it may exceed 1)."""

    measure: str  # "label accuracy" or "word error rate"
    value: float
    answers: int  # that were compared

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} %"


def measured_output(pipeline: Pipeline) -> str:
    """The output that labels are compared with.

    Raises BenchError where the pipeline has none that could be.
    """
    for name in (LABEL, TEXT):
        if pipeline.output(name) is not None:
            return name
    raise BenchError(
        f"{pipeline.name} has no output {LABEL} or {TEXT} that labels could be compared with; leave --labels "
        "out, and remove labels.tsv from beside the inputs"
    )


def told(answer: Array) -> str:
    """The one text in an output."""
    item = answer.reshape(-1)[0]
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)


def accuracy(output: str, pairs: Iterable[tuple[str, str]]) -> Accuracy | None:
    """Of (label, answer) pairs; None where there are none."""
    compared = list(pairs)
    if not compared:
        return None
    if output == LABEL:
        right = sum(label == answer for label, answer in compared)
        return Accuracy("label accuracy", right / len(compared), len(compared))
    errors = spoken = 0
    for label, answer in compared:
        said = words(label)
        errors += word_errors(said, words(answer))
        spoken += len(said)
    return Accuracy("word error rate", errors / max(spoken, 1), len(compared))


def words(text: str) -> list[str]:
    """In lower case, without punctuation."""
    return [word for word in _NO_WORD.split(text.lower()) if word]


def word_errors(said: Sequence[str], written: Sequence[str]) -> int:
    """The fewest words to substitute, leave out and add that turn one into the other (Levenshtein)."""
    costs = list(range(len(written) + 1))
    for row, spoken in enumerate(said, 1):
        diagonal, costs[0] = costs[0], row
        for column, heard in enumerate(written, 1):
            least = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (spoken != heard))
            diagonal, costs[column] = costs[column], least
    return costs[-1]
