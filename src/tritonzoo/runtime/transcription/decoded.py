"""What whisper_decoder says of one window, its times from the window's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tritonzoo.runtime.tensors import Array


@dataclass(frozen=True)
class DecodedWord:
    """One word; its text begins with the space before it."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class DecodedSegment:
    """What stands between two of Whisper's timestamps; `words` are there where they were asked for."""

    text: str
    start_s: float
    end_s: float
    probability: float
    words: tuple[DecodedWord, ...]


@dataclass(frozen=True)
class Decoded:
    """The answer about one window."""

    segments: tuple[DecodedSegment, ...]
    tokens: tuple[int, ...]
    language: str
    language_probability: float
    mean_log_probability: float
    compression_ratio: float
    no_speech_probability: float
    temperature: float
    stop_reason: str  # "stop", or "length": the model could say no more
    consumed_s: float  # where Whisper's sequential algorithm goes on

    @classmethod
    def from_answer(cls, answer: Mapping[str, Array]) -> Decoded:
        """Read the outputs of whisper_decoder for a batch of one window."""
        rows = {name: array[0] for name, array in answer.items()}
        words: dict[int, list[DecodedWord]] = {}
        for index, *word in zip(rows["word_segment"].tolist(), *_columns(rows, "word"), strict=True):
            words.setdefault(index, []).append(DecodedWord(*word))
        segments = [
            DecodedSegment(text, start_s, end_s, probability, tuple(words.get(index, ())))
            for index, (text, start_s, end_s, probability) in enumerate(
                zip(*_columns(rows, "segment"), strict=True)
            )
        ]
        return cls(
            segments=tuple(segments),
            tokens=tuple(rows["tokens"].tolist()),
            language=rows["language"].item().decode(),
            language_probability=float(rows["language_probability"].item()),
            mean_log_probability=float(rows["mean_log_probability"].item()),
            compression_ratio=float(rows["compression_ratio"].item()),
            no_speech_probability=float(rows["no_speech_probability"].item()),
            temperature=float(rows["temperature"].item()),
            stop_reason=rows["stop_reason"].item().decode(),
            consumed_s=float(rows["consumed_s"].item()),
        )


def _columns(rows: Mapping[str, Array], kind: str) -> list[list[Any]]:
    """Text, start, end and probability of every word or segment."""
    texts, *numbers = (
        rows[f"{kind}_{name}"].tolist() for name in ("text", "start_s", "end_s", "probability")
    )
    return [[text.decode(errors="replace") for text in texts], *numbers]
