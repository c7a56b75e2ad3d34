"""The transcription pipelines as functions, for tests of the client and of `tritonzoo transcribe`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tritonzoo.client import FakeTransport, Pipeline, Tensor
from tritonzoo.client.transport import Array
from tritonzoo.errors import InvalidInputError
from tritonzoo.runtime.transcription.transcript import (
    Dropped,
    Segment,
    Word,
    dropped_tensors,
    segment_tensors,
)

RECORDING = b"RIFF of three digits"
INPUTS = (Tensor("audio", "BYTES", (1,), optional=True), Tensor("waveform", "FP32", (-1,), optional=True))
PIPELINE = Pipeline("ensemble_transcription", INPUTS, (), max_batch_size=0, is_ensemble=False)
STREAM = Pipeline("transcription_stream", INPUTS, (), max_batch_size=0, is_ensemble=False)


def _segment(*words: Word) -> Segment:
    text = "".join(word.text for word in words)
    return Segment(text, words[0].start_s, words[-1].end_s, 0.9, words, 0.01, -0.1, 1.2, 0.0, "stop")


SEGMENTS = (
    _segment(Word(" seven", 0.5, 0.9, 0.8), Word(" three", 1.0, 1.4, 0.8)),
    _segment(Word(" nine", 2.0, 2.5, 0.8)),
)


def _head(text: str) -> dict[str, Any]:
    return {
        "text": np.array([text.encode()], object),
        "language": np.array([b"en"], object),
        "language_probability": np.array([0.99], np.float32),
    }


def whole(inputs: Mapping[str, Array]) -> dict[str, Array]:
    _refuse_noise(inputs)
    return {
        **_head("seven three nine"),
        "duration_s": np.array([3.0], np.float32),
        "stop_reason": np.array([b"stop"], object),
        **segment_tensors(SEGMENTS),
        **dropped_tensors([Dropped(_segment(Word(" Thank you.", 2.8, 2.9, 0.1)), "silence")]),
    }


class Streamed:
    """Answers one segment after the other, and counts the streams that were left before their end."""

    def __init__(self) -> None:
        self.closed = 0

    def __call__(self, inputs: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        _refuse_noise(inputs)
        ended = False
        try:
            for segment, done_s in zip(SEGMENTS, (1.5, 3.0), strict=True):
                yield {
                    **_head(segment.text),
                    "transcribed_s": np.array([done_s], np.float32),
                    "read_s": np.array([3.0], np.float32),
                    **segment_tensors([segment]),
                }
            ended = True
        finally:
            self.closed += not ended


streamed = Streamed()


def _refuse_noise(inputs: Mapping[str, Array]) -> None:
    if "audio" in inputs and inputs["audio"].tolist() == [b"noise"]:
        raise InvalidInputError("audio is text, which cannot be read as sound; send a recording")


def fake() -> FakeTransport:
    """A server with both pipelines; a file that holds the word noise is refused."""
    streamed.closed = 0
    return FakeTransport(
        {PIPELINE: whole, STREAM: lambda inputs: {}}, streams={"transcription_stream": streamed}
    )
