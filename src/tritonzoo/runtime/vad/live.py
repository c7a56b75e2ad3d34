"""One live stream: chunks of sound go in, the starts and ends of speech come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.audio.resampled import Resampler
from tritonzoo.runtime.audio.section import (
    HIGHEST_RATE_HZ,
    LOWEST_RATE_HZ,
    SAMPLE_RATE_HZ,
    Samples,
    require_sound,
)
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.vad.options import SegmentationOptions
from tritonzoo.runtime.vad.probabilities import Call, SpeechProbabilities
from tritonzoo.runtime.vad.segmenter import Segmenter, SpeechSegment


@dataclass(frozen=True)
class Event:
    """Speech starts, or ends, at a time of the stream."""

    kind: str  # "start" or "end"
    time_s: float


@dataclass(frozen=True)
class Heard:
    """What one chunk brought."""

    events: tuple[Event, ...]
    speech_probability: NDArray[np.float32]  # (windows that it completed,)


class LiveStream:
    """Says of a stream what `Segmenter` says of a whole recording: the same starts, the same ends.

    They come when they are certain: a start when the speech has lasted `min_speech_duration_ms`, an end when
    the silence has lasted `min_silence_duration_ms` and twice `speech_pad_ms`.
    """

    def __init__(self, options: SegmentationOptions, rate_hz: int, call: Call) -> None:
        """`call` asks silero_vad; see `SpeechProbabilities`."""
        self._rate_hz = rate_hz
        self._resampler = Resampler(rate_hz, SAMPLE_RATE_HZ)
        self._probabilities = SpeechProbabilities(call)
        self._segmenter = Segmenter(options)
        self._samples = 0  # that came, at `rate_hz`
        self._announced: int | None = None  # the start that was told and whose end was not

    @classmethod
    def options(cls, sent: RequestParameters) -> tuple[SegmentationOptions, int]:
        """What a stream's first request asks for: how it is cut, and the rate of its chunks.

        Raises:
            InvalidInput: one is no number, out of its range, or unknown.
        """
        segmentation = SegmentationOptions.read(sent)
        rate_hz = sent.number(
            "sample_rate_hz",
            SAMPLE_RATE_HZ,
            least=LOWEST_RATE_HZ,
            most=HIGHEST_RATE_HZ,
            means="of the chunks; other rates are resampled",
        )
        sent.rest()
        return segmentation, round(rate_hz)

    def hear(self, samples: Samples, *, last: bool = False) -> Heard:
        """Take the next samples (any number, also none); with `last` the stream ends after them.

        Raises:
            InvalidInput: they are NaN, infinite or far beyond full scale; they are not counted then.
        """
        require_sound("waveform", samples, self._samples / self._rate_hz, self._rate_hz)
        self._samples += samples.size
        probabilities = self._probabilities.feed(self._resampler.push(samples))
        segments = self._segmenter.feed(probabilities.tolist())
        if last:
            rest = (self._probabilities.feed(self._resampler.finish()), self._probabilities.finish())
            for each in rest:
                segments += self._segmenter.feed(each.tolist())
            probabilities = np.concatenate([probabilities, *rest])
            segments += self._segmenter.finish(self._probabilities.samples)
        return Heard(tuple(self._events(segments)), probabilities)

    def _events(self, segments: list[SpeechSegment]) -> list[Event]:
        events = []
        for segment in segments:
            events += self._start(segment.start_sample)
            events.append(Event("end", segment.end_s))
            self._announced = None
        certain = self._segmenter.certain_start_sample
        return events if certain is None else events + self._start(certain)

    def _start(self, sample: int) -> list[Event]:
        """The start of speech, unless it was told before."""
        if self._announced is not None:
            return []
        self._announced = sample
        return [Event("start", sample / SAMPLE_RATE_HZ)]
