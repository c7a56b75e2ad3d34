"""Beam search as openai/whisper's `BeamSearchDecoder` does it.

Of each beam's `beam_size + 1` likeliest continuations the best `beam_size` over all beams go on; those that
end are put aside, up to `round(beam_size * patience)` of them (Kasai et al. 2022, arXiv:2204.05424), and then
the search is over. The best of those put aside by length-normalised log-probability is the answer.
(transformers' `num_beams` differs: it keeps on for as long as a running beam could still win.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tritonzoo.runtime.whisper.hypothesis import Hypothesis


@dataclass(frozen=True)
class Continuation:
    """One beam and one token more."""

    beam: int
    token: int
    log_probability: float  # of the token
    total: float  # of the whole


class BeamSearch:
    """What has ended so far, and which continuations go on."""

    def __init__(self, beam_size: int, patience: float, length_penalty: float | None, end: int) -> None:
        self.beam_size = beam_size
        self._most_finished = max(1, round(beam_size * patience))
        self._length_penalty = length_penalty
        self._end = end
        self.finished: list[Hypothesis] = []

    @property
    def is_over(self) -> bool:
        """Whether enough have ended."""
        return len(self.finished) >= self._most_finished

    def choose(self, continuations: Sequence[Continuation]) -> tuple[list[Continuation], list[Continuation]]:
        """Those that go on, and those that end, each the best first.

        Only ends that come before the last one that goes on count: others are worse than every beam.
        """
        going, ending = [], []
        for continuation in sorted(continuations, key=lambda each: -each.total):
            if continuation.token == self._end:
                ending.append(continuation)
                continue
            going.append(continuation)
            if len(going) == self.beam_size:
                break
        return going, ending[: self._most_finished - len(self.finished)]

    def best(self, running: Sequence[Hypothesis]) -> Hypothesis:
        """The answer. Beams that still run count only where fewer than `beam_size` have ended."""
        candidates = list(self.finished)
        for hypothesis in sorted(running, key=lambda each: -each.log_probability):
            if len(candidates) >= self.beam_size:
                break
            candidates.append(hypothesis)
        return max(candidates, key=self._score)

    def _score(self, hypothesis: Hypothesis) -> float:
        length = len(hypothesis.tokens)
        if self._length_penalty is None:
            return hypothesis.log_probability / max(length, 1)
        penalty: float = ((5 + length) / 6) ** self._length_penalty
        return hypothesis.log_probability / penalty
