"""A recording of any length as windows to decode: cut at pauses, or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.transcription.options import TranscriptionOptions
from tritonzoo.runtime.transcription.packing import FRAME_SAMPLES, LONGEST_WINDOW_S, Packer
from tritonzoo.runtime.transcription.tape import Tape
from tritonzoo.runtime.transcription.windows import SAMPLE_RATE, WINDOW_SAMPLES, Span, Window
from tritonzoo.runtime.vad import Segmenter, SpeechProbabilities, SpeechSegment

Blocks = Iterable[NDArray[np.float32]]
Hear = Callable[[Mapping[str, Array]], Mapping[str, Array]]

SHORTEST_SAMPLES = SAMPLE_RATE // 10  # in less than 0.1 s nothing can be said
KEPT_BEHIND_SAMPLES = SAMPLE_RATE  # beyond what is needed: cuts through speech, smoothing, rounding


class SpeechWindows:
    """Windows that hold the speech of a recording; iterate over it once.

    In memory are the open window, the speech that the VAD has not closed yet and one block, about a minute
    of sound, whatever the recording's length.
    """

    def __init__(self, blocks: Blocks, hear: Hear, options: TranscriptionOptions) -> None:
        """`blocks` are 16 kHz mono; `hear` calls silero_vad."""
        self._blocks = blocks
        self._audio, self._probabilities = Tape(), Tape()
        self._packer = Packer(options.packing, self._audio, self._probabilities)
        self._segmenter = Segmenter(options.speech)
        self._listener = SpeechProbabilities(hear)

    @property
    def duration_s(self) -> float:
        """How much of the recording has been read."""
        return self._audio.end / SAMPLE_RATE

    def __iter__(self) -> Iterator[Window]:
        for block in self._blocks:
            self._audio.append(block)
            yield from self._pack(self._heard(self._listener.feed(block)))
        yield from self._pack(self._heard(self._listener.finish()))
        yield from self._pack(self._segmenter.finish(self._audio.end))
        yield from self._packer.finish()

    def _heard(self, probabilities: NDArray[np.float32]) -> list[SpeechSegment]:
        self._probabilities.append(probabilities)
        return self._segmenter.feed(probabilities)

    def _pack(self, speech: Iterable[SpeechSegment]) -> Iterator[Window]:
        for segment in speech:
            yield from self._packer.add(Span(segment.start_sample, segment.end_sample))
        needed = self._segmenter.settled_sample - self._packer.margin - KEPT_BEHIND_SAMPLES
        if self._packer.needed_from is not None:
            needed = min(needed, self._packer.needed_from)
        self._audio.forget(needed)
        self._probabilities.forget(needed // FRAME_SAMPLES - 1)


class SequentialWindows:
    """Windows one after the other, each beginning where the one before says that it ends.

    That is Whisper's own algorithm for long recordings (Radford et al. 2022, section 3.8), which takes 30 s;
    a caller or checkpoint that wants shorter windows gets them here as well. `go_on` must be called between
    two windows.
    """

    def __init__(self, blocks: Blocks, window_s: float) -> None:
        """`window_s` as in PackingOptions: at its longest, the room for silence at the end is used too."""
        self._samples = WINDOW_SAMPLES if window_s >= LONGEST_WINDOW_S else round(window_s * SAMPLE_RATE)
        self._blocks = iter(blocks)
        self._audio = Tape()
        self._place = 0

    @property
    def duration_s(self) -> float:
        """How much of the recording has been read."""
        return self._audio.end / SAMPLE_RATE

    def __iter__(self) -> Iterator[Window]:
        while True:
            start = self._place
            while self._audio.end < start + self._samples:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._audio.append(block)
            span = Span(start, min(start + self._samples, self._audio.end))
            if span.length < SHORTEST_SAMPLES:
                return
            self._place = span.end
            yield Window(self._audio.read(span.start, span.end), (span,), (), span)
            self._audio.forget(self._place)

    def go_on(self, window: Window, consumed_s: float) -> None:
        """Begin the next window `consumed_s` after the start of this one, but further on in any case."""
        consumed = round(consumed_s * SAMPLE_RATE)
        if 0 < consumed < window.waveform.size:
            self._place = window.owned.start + consumed
