"""One candidate answer for a window, as far as it has been decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from tritonzoo.runtime.tensors import Array


@dataclass
class Hypothesis:
    """Tokens without prompt and without <|endoftext|>, and what is known of each."""

    tokens: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)  # the end's too, where it was reached
    attention: list[Array] = field(default_factory=list)  # (heads, frames) of the run each came from
    is_ended: bool = False  # by <|endoftext|>

    @property
    def log_probability(self) -> float:
        """Of the whole answer."""
        return sum(self.log_probabilities)

    @property
    def mean_log_probability(self) -> float:
        """Over the tokens and the end, as openai/whisper takes it."""
        return self.log_probability / (len(self.tokens) + 1)

    def extended(self, token: int, log_probability: float, attention: Array | None, end: int) -> Hypothesis:
        """This answer and one more token; `end` is <|endoftext|>."""
        grown = Hypothesis(
            list(self.tokens), [*self.log_probabilities, log_probability], list(self.attention), token == end
        )
        if token != end:
            grown.tokens.append(token)
        if attention is not None:
            grown.attention.append(attention)
        return grown

    def extend(self, token: int, log_probability: float, attention: Array | None, end: int) -> None:
        """The same in place."""
        if token == end:
            self.is_ended = True
        else:
            self.tokens.append(token)
        self.log_probabilities.append(log_probability)
        if attention is not None:
            self.attention.append(attention)
