"""What is said in a recording, and when: times are seconds of the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tritonzoo.runtime.tensors import Array


@dataclass(frozen=True)
class Word:
    """One word; its text begins with the space before it."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """A phrase or sentence, as Whisper parts them, with how sure Whisper was of the window it is from."""

    text: str
    start_s: float
    end_s: float
    probability: float
    words: tuple[Word, ...]
    no_speech_probability: float
    mean_log_probability: float
    compression_ratio: float
    temperature: float
    stop_reason: str


@dataclass(frozen=True)
class Dropped:
    """A segment that a guard took out, and which: no_speech, silence, empty or repetition."""

    segment: Segment
    reason: str


def segment_tensors(segments: Sequence[Segment]) -> dict[str, Any]:
    """Segments and their words as the parallel output tensors of the pipelines."""
    words = [(index, word) for index, segment in enumerate(segments) for word in segment.words]
    return {
        "segment_text": _texts(segment.text for segment in segments),
        "segment_start_s": _times(segment.start_s for segment in segments),
        "segment_end_s": _times(segment.end_s for segment in segments),
        "segment_probability": _numbers(segment.probability for segment in segments),
        "segment_no_speech_probability": _numbers(segment.no_speech_probability for segment in segments),
        "segment_mean_log_probability": _numbers(segment.mean_log_probability for segment in segments),
        "segment_compression_ratio": _numbers(segment.compression_ratio for segment in segments),
        "segment_temperature": _numbers(segment.temperature for segment in segments),
        "segment_stop_reason": _texts(segment.stop_reason for segment in segments),
        "word_text": _texts(word.text for _, word in words),
        "word_start_s": _times(word.start_s for _, word in words),
        "word_end_s": _times(word.end_s for _, word in words),
        "word_probability": _numbers(word.probability for _, word in words),
        "word_segment": np.array([index for index, _ in words], dtype=np.int32),
    }


def dropped_tensors(dropped: Sequence[Dropped]) -> dict[str, Any]:
    """What the guards took out as parallel output tensors."""
    return {
        "dropped_text": _texts(each.segment.text for each in dropped),
        "dropped_start_s": _times(each.segment.start_s for each in dropped),
        "dropped_reason": _texts(each.reason for each in dropped),
    }


def _texts(texts: Any) -> Array:
    return np.array([text.encode() for text in texts], dtype=object)


def _times(seconds: Any) -> Array:
    """FP64: in FP32 a time in the eighth hour would be rounded to 2 ms."""
    return np.array(list(seconds), dtype=np.float64)


def _numbers(numbers: Any) -> Array:
    return np.array(list(numbers), dtype=np.float32)
