"""Speech probabilities become segments of speech, as they come.

The same segments, sample by sample, as silero-vad's `get_speech_timestamps` (6.2.3, the reference that tests
compare with), which wants to see the whole recording first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tritonzoo.runtime.audio.section import SAMPLE_RATE_HZ
from tritonzoo.runtime.vad.options import SegmentationOptions
from tritonzoo.runtime.vad.probabilities import WINDOW_SAMPLES

_SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000


class SpeechSegment(NamedTuple):
    """Speech from one sample up to another, counted from the start of the recording."""

    start_sample: int
    end_sample: int

    @property
    def start_s(self) -> float:
        return self.start_sample / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.end_sample / SAMPLE_RATE_HZ


class _Pause(NamedTuple):
    """A silence within speech that is over and was long enough to cut in."""

    start: int
    length: int


class Segmenter:
    """Finds segments in probabilities that come one by one, and gives each once nothing can change it.

        segmenter = Segmenter(SegmentationOptions())
        for probabilities in ...:
            segments += segmenter.feed(probabilities)
        segments += segmenter.finish(samples)

    That is `min_silence_duration_ms`, or twice `speech_pad_ms` where that is more, after the speech ends.
    """

    def __init__(self, options: SegmentationOptions) -> None:
        self._options = options
        self._silence_below = options.silence_threshold
        self._pad = options.speech_pad_ms * _SAMPLES_PER_MS
        self._least_speech = options.min_speech_duration_ms * _SAMPLES_PER_MS
        self._least_silence = options.min_silence_duration_ms * _SAMPLES_PER_MS
        self._least_pause = options.min_silence_at_max_speech_ms * _SAMPLES_PER_MS
        self._most_speech = options.max_speech_duration_s * SAMPLE_RATE_HZ - WINDOW_SAMPLES - 2 * self._pad
        self._now = 0  # the first sample of the window at hand
        self._held: SpeechSegment | None = None  # found, its end not padded yet
        self._start: int | None
        self._certain: int | None
        self._begin(None)

    @property
    def certain_start_sample(self) -> int | None:
        """Where a segment starts that is under way and will not be left out; None without one."""
        return self._certain

    @property
    def settled_sample(self) -> int:
        """No segment that is still to come starts before this sample: what lies before need not be kept."""
        if self._held is not None:
            return self._held.start_sample
        if self._certain is not None:
            return self._certain
        return max(0, int((self._now if self._start is None else self._start) - self._pad))

    def feed(self, probabilities: Iterable[float]) -> list[SpeechSegment]:
        """Take the probabilities of the next windows; the segments that became final."""
        final: list[SpeechSegment] = []
        for probability in probabilities:
            for start, end in self._step(float(probability)):
                final += self._add(start, end)
            if self._start is not None and self._certain is None and self._is_certain(self._start):
                final += self._add(self._start, self._start)
                self._certain = self._take_held().start_sample
            if self._held is not None and self._is_settled(self._held):
                final.append(self._padded(self._take_held()))
            self._now += WINDOW_SAMPLES
        return final

    def finish(self, samples: int) -> list[SpeechSegment]:
        """The recording ends after `samples` samples: the segments that are left."""
        final: list[SpeechSegment] = []
        if self._start is not None and samples - self._start > self._least_speech:
            final += self._add(self._start, samples)
        if self._held is not None:
            start, end = self._padded(self._take_held())
            final.append(SpeechSegment(start, min(samples, end)))
        self._begin(None)
        return final

    def _begin(self, start: int | None) -> None:
        """Speech from `start`, or silence, with nothing known of what follows."""
        self._start = start
        self._certain = None  # the same, padded, once it is sure to become a segment
        self._silence: int | None = None  # where the silence at hand began, if it is one within speech
        self._pauses: list[_Pause] = []
        # The older way to cut, `use_max_poss_sil_at_max_speech` off, knows one pause: the last.
        self._last_pause: int | None = None
        self._resumed = 0  # where speech went on after it; before it: not yet

    def _step(self, probability: float) -> Iterator[tuple[int, int]]:
        """Look at one window; speech that ended with it, not padded: from where to where."""
        now, speaks = self._now, probability >= self._options.threshold
        if speaks and self._silence is not None:
            self._end_pause(self._silence)
        if speaks and self._start is None:
            self._begin(now)
            return
        if self._start is not None and now - self._start > self._most_speech:
            start, (end, resumed) = self._start, self._cut()
            yield start, end
            self._begin(resumed)
        if self._start is None or probability >= self._silence_below:
            return
        if self._silence is None:
            self._silence = now
        silence_length = now - self._silence
        if silence_length > self._least_pause:
            self._last_pause = self._silence
        if silence_length >= self._least_silence:
            if self._silence - self._start > self._least_speech:
                yield self._start, self._silence
            self._begin(None)

    def _end_pause(self, start: int) -> None:
        if self._now - start > self._least_pause and self._most_speech < math.inf:
            self._pauses.append(_Pause(start, self._now - start))
        self._silence = None
        if self._last_pause is not None and self._resumed < self._last_pause:
            self._resumed = self._now

    def _cut(self) -> tuple[int, int | None]:
        """Where speech that has become too long ends, and where speech goes on (None: not yet)."""
        if self._options.use_max_poss_sil_at_max_speech:
            if self._pauses:
                longest = max(self._pauses, key=lambda pause: pause.length)
                return longest.start, longest.start + longest.length
        elif self._last_pause is not None:
            return self._last_pause, None if self._resumed < self._last_pause else self._resumed
        return self._now, None

    def _add(self, start: int, end: int) -> list[SpeechSegment]:
        """Hold what was found, its start padded; the one held before is final now."""
        if self._certain is not None:
            self._held = SpeechSegment(self._certain, end)
            return []
        before, self._held = self._held, SpeechSegment(max(0, int(start - self._pad)), end)
        if before is None:
            return []
        silence = start - before.end_sample
        if silence >= 2 * self._pad:
            return [self._padded(before)]
        self._held = SpeechSegment(max(0, start - silence // 2), end)  # too short for both pads: shared
        return [SpeechSegment(before.start_sample, before.end_sample + silence // 2)]

    def _take_held(self) -> SpeechSegment:
        assert self._held is not None, "only what is held is taken"
        held, self._held = self._held, None
        return held

    def _is_certain(self, start: int) -> bool:
        """Whether speech from `start` is long enough already, wherever it will end."""
        return (self._now if self._silence is None else self._silence - 1) - start >= self._least_speech

    def _is_settled(self, held: SpeechSegment) -> bool:
        """Whether neither the next speech nor the end of the recording can be near enough to matter."""
        nearest = held.end_sample + 2 * self._pad
        return self._now >= nearest and (self._start is None or self._start >= nearest)

    def _padded(self, held: SpeechSegment) -> SpeechSegment:
        return SpeechSegment(held.start_sample, int(held.end_sample + self._pad))
