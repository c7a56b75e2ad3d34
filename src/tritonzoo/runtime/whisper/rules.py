"""What the next token may be: suppressed tokens and the grammar of timestamps.

Radford et al. 2022 (arXiv:2212.04356), section 2.3; as openai/whisper's logit filters and transformers'
`WhisperTimeStampLogitsProcessor` have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

Logits = NDArray[np.float32]  # (vocabulary)

_FORBIDDEN = np.float32("-inf")


class TokenRules:
    """The rules of one window. They write -inf over the logits of what may not come next."""

    def __init__(self, vocabulary: Vocabulary, options: DecodingOptions) -> None:
        self._end, self._first_timestamp = vocabulary.end, vocabulary.first_timestamp
        self._no_timestamps = vocabulary.no_timestamps
        self._timestamps = options.timestamps
        self._max_initial_index = vocabulary.max_initial_timestamp_index
        self._min_new_tokens = options.min_new_tokens
        suppressed = vocabulary.suppressed
        if options.suppress_tokens is not None:
            suppressed = (*options.suppress_tokens, *vocabulary.control_tokens)
        self._suppressed = np.array(sorted(set(suppressed)), np.intp)
        self._at_begin = np.array(vocabulary.suppressed_at_begin, np.intp)

    def apply(self, logits: Logits, tokens: Sequence[int]) -> None:
        """Forbid in place what may not follow `tokens`, the answer so far without its prompt."""
        logits[self._suppressed] = _FORBIDDEN
        if not tokens:
            logits[self._at_begin] = _FORBIDDEN
        if len(tokens) < self._min_new_tokens:
            logits[self._end] = _FORBIDDEN
        if self._timestamps:
            self._keep_timestamps_in_order(logits, tokens)
            self._prefer_timestamps(logits)

    def _keep_timestamps_in_order(self, logits: Logits, tokens: Sequence[int]) -> None:
        """Text comes between pairs of timestamps, which open and close a segment and never go back."""
        first = self._first_timestamp
        logits[self._no_timestamps] = _FORBIDDEN
        if not tokens:
            logits[:first] = _FORBIDDEN
            if self._max_initial_index is not None:
                logits[first + self._max_initial_index + 1 :] = _FORBIDDEN
            return
        is_time = tokens[-1] >= first
        was_time = len(tokens) < 2 or tokens[-2] >= first
        if is_time and was_time:
            logits[first:] = _FORBIDDEN
        elif is_time:
            logits[: self._end] = _FORBIDDEN
        latest = next((token for token in reversed(tokens) if token >= first), None)
        if latest is not None:
            # A segment opens where the one before closed, or later; it closes later than it opened.
            opens = is_time and not was_time
            logits[first : latest if opens else latest + 1] = _FORBIDDEN

    def _prefer_timestamps(self, logits: Logits) -> None:
        """A timestamp comes next where all of them together are likelier than any one other token."""
        first = self._first_timestamp
        times = logits[first:]
        likeliest = times.max()
        if likeliest == _FORBIDDEN:
            return
        together = likeliest + np.log(np.exp(times - likeliest).sum())
        if together > logits[:first].max():
            logits[:first] = _FORBIDDEN
