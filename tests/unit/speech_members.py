"""A world in which speech is plain to see, so that a transcript can be right to the sample.

A word is a stretch of one constant value, its number in hundredths; silence is zero. The fakes of silero_vad,
whisper_encoder and whisper_decoder honour the contracts of the real ones.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.transcription.options import NO_ADVICE, Advice

SAMPLE_RATE = 16_000
SENTENCE_PAUSE_S = 0.6  # the decoder begins a new segment after such a pause


def recording(words: list[tuple[float, float, int]], duration_s: float) -> Array:
    """Samples of a recording with words (start_s, end_s, number), number from 1 to 99."""
    waveform = np.zeros(round(duration_s * SAMPLE_RATE), np.float32)
    for start_s, end_s, number in words:
        waveform[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] = number / 100
    return waveform


class Members:
    """The three members, and what they were asked."""

    def __init__(self, language: str = "en", probability: float = 0.9, advice: Advice = NO_ADVICE) -> None:
        self.language, self.probability = language, probability
        self.advice = advice  # of the decoder's checkpoint
        self.asked: list[dict[str, Any]] = []  # the decoder's parameters, window by window
        self.cancelled: list[str] = []
        self.at_work = self.most_at_work = 0
        self.longest_heard = 0
        self.hold: threading.Event | None = None  # the decoder waits for it
        self._lock = threading.Lock()

    @property
    def calls(self) -> dict[str, Any]:
        return {
            "silero_vad": self.silero_vad,
            "whisper_encoder": self.whisper_encoder,
            "whisper_decoder": self.whisper_decoder,
        }

    def silero_vad(self, inputs: Mapping[str, Array], _: Any) -> dict[str, Array]:
        frames = inputs["waveform"].reshape(-1, 512)
        self.longest_heard = max(self.longest_heard, inputs["waveform"].size)
        return {
            "speech_probability": np.where((frames != 0).mean(axis=1) > 0.5, 0.97, 0.02).astype(np.float32),
            "next_context": frames[-1, -64:],
            "next_state": inputs["state"],
        }

    def whisper_encoder(self, inputs: Mapping[str, Array], _: Any) -> dict[str, Array]:
        assert inputs["waveform"].shape == (1, 480_000)
        return {"encoded": inputs["waveform"].reshape(1, 1500, 320)}

    def whisper_decoder(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> dict[str, Array]:
        if "cancel_job" in parameters:
            self.cancelled.append(parameters["cancel_job"])
            if self.hold:
                self.hold.set()
            return decoder_answer([], [], parameters, ("", 0.0), 0.0)
        if "describe" in parameters:
            described = decoder_answer([], [], parameters, ("", 0.0), 0.0)
            advice = json.dumps(asdict(self.advice)).encode()
            return {**described, "text": np.array([[advice]], dtype=object)}
        with self._lock:
            self.asked.append(dict(parameters))
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        if self.hold:
            self.hold.wait(timeout=30)
        try:
            return self._decode(inputs["encoded"].reshape(-1), parameters)
        finally:
            with self._lock:
                self.at_work -= 1

    def _decode(self, waveform: Array, parameters: Mapping[str, Any]) -> dict[str, Array]:
        duration_s = float(parameters["duration_s"])
        words = words_in(waveform)
        consumed_s = duration_s
        segments: list[list[tuple[float, float, int]]] = []
        for word in words:
            if segments and word[0] - segments[-1][-1][1] < SENTENCE_PAUSE_S:
                segments[-1].append(word)
            else:
                segments.append([word])
        # As Whisper was trained: what goes on past 30 s is left for the next window.
        if segments and len(segments) > 1 and duration_s > 29.99 and segments[-1][-1][1] > duration_s - 0.001:
            consumed_s = segments.pop()[0][0]
        language = parameters.get("language", "")
        return decoder_answer(
            segments,
            [word for segment in segments for word in segment] if parameters["word_timestamps"] else [],
            parameters,
            (language or self.language, 1.0 if language else self.probability),
            consumed_s,
        )


def words_in(waveform: Array) -> list[tuple[float, float, int]]:
    """Runs of one value: start, end (seconds), number."""
    numbers = np.rint(waveform * 100).astype(int)
    edges = np.flatnonzero(np.diff(np.pad(numbers, 1)))
    return [
        (start / SAMPLE_RATE, end / SAMPLE_RATE, int(numbers[start]))
        for start, end in itertools.pairwise(edges)
        if numbers[start]
    ]


def decoder_answer(segments, words, parameters, language, consumed_s) -> dict[str, Array]:
    """The outputs of whisper_decoder for one window; segments are lists of words."""
    starts = np.cumsum([0, *(len(segment) for segment in segments)])
    texts = ["".join(f" {number}" for _, _, number in segment) for segment in segments]

    def text(values):
        return np.array([[value.encode() for value in values]], dtype=object).reshape(1, -1)

    def numbers(values):
        return np.array(values, np.float32).reshape(1, -1)

    return {
        "text": text(["".join(texts).strip()]),
        "language": text([language[0]]),
        "language_probability": numbers([language[1]]),
        "tokens": np.array([[number for segment in segments for _, _, number in segment]], np.int64).reshape(
            1, -1
        ),
        "token_log_probability": numbers([0.0] * sum(map(len, segments))),
        "segment_text": text(texts),
        "segment_start_s": numbers([segment[0][0] for segment in segments]),
        "segment_end_s": numbers([segment[-1][1] for segment in segments]),
        "segment_probability": numbers([0.9] * len(segments)),
        "word_text": text([f" {number}" for _, _, number in words]),
        "word_start_s": numbers([start for start, _, _ in words]),
        "word_end_s": numbers([end for _, end, _ in words]),
        "word_probability": numbers([0.9] * len(words)),
        "word_segment": np.array(
            [[int(np.searchsorted(starts, index, "right")) - 1 for index in range(len(words))]], np.int32
        ).reshape(1, -1),
        "mean_log_probability": numbers([-0.1]),
        "compression_ratio": numbers([1.2]),
        "no_speech_probability": numbers([0.01]),
        "temperature": numbers([0.0]),
        "stop_reason": text(["stop"]),
        "consumed_s": numbers([consumed_s]),
    }
