"""How far what was written is from what was said: word errors, and when each word starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Timed:
    """A word and when it starts."""

    word: str
    start_s: float


@dataclass
class Score:
    """Errors counted over many texts."""

    words: int = 0
    substituted: int = 0
    left_out: int = 0
    added: int = 0
    start_errors_s: list[float] = field(default_factory=list)  # of the words that are right

    def add(self, said: Sequence[Timed], written: Sequence[Timed]) -> None:
        """Count the errors of one text."""
        pairs = aligned([word.word for word in said], [word.word for word in written])
        self.words += len(said)
        for spoken, heard in pairs:
            if spoken is None:
                self.added += 1
            elif heard is None:
                self.left_out += 1
            elif said[spoken].word != written[heard].word:
                self.substituted += 1
            else:
                self.start_errors_s.append(written[heard].start_s - said[spoken].start_s)

    def word_error_rate(self) -> float:
        return (self.substituted + self.left_out + self.added) / max(self.words, 1)

    def summary(self) -> dict[str, float | int]:
        """Rates in percent, start errors in milliseconds."""
        off_ms = np.abs(self.start_errors_s) * 1000 if self.start_errors_s else np.zeros(1)
        return {
            "words": self.words,
            "word_error_percent": round(100 * self.word_error_rate(), 2),
            "substituted": self.substituted,
            "left_out": self.left_out,
            "added": self.added,
            "start_off_median_ms": round(float(np.median(off_ms)), 1),
            "start_off_95_percent_ms": round(float(np.percentile(off_ms, 95)), 1),
            "start_off_over_200_ms_percent": round(100 * float((off_ms > 200).mean()), 2),
        }


def aligned(said: Sequence[str], written: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs of indices on the cheapest way from `said` to `written` (Levenshtein); None: left out, added."""
    cost = np.zeros((len(said) + 1, len(written) + 1), dtype=int)
    cost[:, 0] = np.arange(len(said) + 1)
    cost[0] = np.arange(len(written) + 1)
    for i, spoken in enumerate(said, 1):
        for j, heard in enumerate(written, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (spoken != heard), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(said), len(written)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (said[i - 1] != written[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]
