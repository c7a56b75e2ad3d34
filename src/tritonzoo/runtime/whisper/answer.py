"""An outcome as the tensors of whisper_decoder's answer, with text, segments and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.whisper.decoding import Outcome
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.segments import segments_of
from tritonzoo.runtime.whisper.vocabulary import Vocabulary
from tritonzoo.runtime.whisper.word_times import TimedWord, timed_words


def answer_of(
    outcome: Outcome, options: DecodingOptions, vocabulary: Vocabulary, median_width: int
) -> dict[str, Array]:
    """The outputs of whisper_decoder for a batch of one window; median_width: the checkpoint's own."""
    hypothesis = outcome.hypothesis
    tokens = hypothesis.tokens
    segments, consumed_s = segments_of(tokens, vocabulary, options.duration_s)
    words: list[TimedWord] = []
    if options.word_timestamps:
        words = timed_words(
            hypothesis, segments, vocabulary, outcome.language, options.duration_s, median_width
        )
    log_probabilities = hypothesis.log_probabilities[: len(tokens)]  # without the end's
    segment_means = [np.mean(log_probabilities[each.first : each.last]) for each in segments]
    return {
        "text": _texts([vocabulary.text(tokens).strip()]),
        "language": _texts([outcome.language]),
        "language_probability": _floats([outcome.language_probability]),
        "tokens": np.array([tokens], np.int64),
        "token_log_probability": _floats(log_probabilities),
        "segment_text": _texts([vocabulary.text(tokens[each.first : each.last]) for each in segments]),
        "segment_start_s": _floats([each.start_s for each in segments]),
        "segment_end_s": _floats([each.end_s for each in segments]),
        "segment_probability": _floats(np.exp(segment_means)),
        "word_text": _texts([word.text for word in words]),
        "word_start_s": _floats([word.start_s for word in words]),
        "word_end_s": _floats([word.end_s for word in words]),
        "word_probability": _floats([word.probability for word in words]),
        "word_segment": np.array([[word.segment for word in words]], np.int32),
        "mean_log_probability": _floats([hypothesis.mean_log_probability]),
        "compression_ratio": _floats([outcome.compression_ratio]),
        "no_speech_probability": _floats([outcome.no_speech_probability]),
        "temperature": _floats([outcome.temperature]),
        "stop_reason": _texts([outcome.stop_reason]),
        "consumed_s": _floats([consumed_s]),
    }


def _texts(texts: Sequence[str]) -> Array:
    return np.array([[text.encode() for text in texts]], object).reshape(1, len(texts))


def _floats(numbers: Sequence[float] | Array) -> Array:
    return np.array([numbers], np.float32).reshape(1, len(numbers))
