"""A recording in, its segments out as they are ready: the order of work in a transcription."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace

from tritonzoo.runtime.transcription.cutting import Blocks, SequentialWindows, SpeechWindows
from tritonzoo.runtime.transcription.decoded import Decoded
from tritonzoo.runtime.transcription.guards import guarded, is_silent
from tritonzoo.runtime.transcription.jobs import Job
from tritonzoo.runtime.transcription.language import RecordingLanguage
from tritonzoo.runtime.transcription.members import CallValue, Members
from tritonzoo.runtime.transcription.options import TranscriptionOptions
from tritonzoo.runtime.transcription.placing import Timekeeper, placed_segments
from tritonzoo.runtime.transcription.side_by_side import in_order
from tritonzoo.runtime.transcription.transcript import Dropped, Segment
from tritonzoo.runtime.transcription.windows import Window

MOST_PROMPT_TOKENS = 224  # half of Whisper's text context; the decoder would cut them too
SURE_TEMPERATURE = 0.5  # text sampled above it is no prompt for the next window (openai/whisper)


@dataclass(frozen=True)
class WindowTold:
    """What one window added to the transcript."""

    segments: tuple[Segment, ...]
    dropped: tuple[Dropped, ...]
    stop_reason: str
    transcribed_s: float  # the recording's seconds that are done now
    read_s: float  # the recording's seconds that have been read: its length, once all are


class Transcription:
    """One recording being transcribed; iterate over it once, window by window, in the recording's order."""

    def __init__(
        self,
        blocks: Blocks,
        options: TranscriptionOptions,
        members: Members,
        job: Job,
        pool: Executor,
        windows_at_once: int,
    ) -> None:
        """`pool` works on at most `windows_at_once` windows of this recording at a time."""
        self._blocks, self._options, self._members = blocks, options, members
        self._job, self._pool, self._windows_at_once = job, pool, windows_at_once
        self._language = RecordingLanguage(options.language, options.language_detection_threshold)
        self.duration_s = 0.0  # what has been read so far; the recording's length at the end

    @property
    def language(self) -> tuple[str, float]:
        """The language and its probability, as far as it is known; empty where nothing was said."""
        return self._language.answer

    def __iter__(self) -> Iterator[WindowTold]:
        decoded = self._side_by_side() if self._options.vad else self._one_after_the_other()
        times = Timekeeper()
        with closing(decoded):
            for window, answer in decoded:
                self._job.check()
                placed = placed_segments(window, answer)
                kept: list[Segment] = []
                dropped: list[Dropped] = []
                for each in self._guarded(placed, window, answer):
                    if isinstance(each, Dropped):
                        dropped.append(each)
                    else:
                        kept.append(each)
                yield WindowTold(
                    tuple(map(self._asked_for, times.settled(kept))),
                    tuple(dropped),
                    answer.stop_reason,
                    min(window.end_s, self.duration_s),
                    self.duration_s,
                )

    def _guarded(
        self, segments: Iterator[Segment], window: Window, decoded: Decoded
    ) -> Iterator[Segment | Dropped]:
        if self._options.hallucination_guard:
            return guarded(segments, window, decoded, self._options)
        return segments

    def _asked_for(self, segment: Segment) -> Segment:
        return segment if self._options.word_timestamps else replace(segment, words=())

    def _side_by_side(self) -> Generator[tuple[Window, Decoded]]:
        windows = SpeechWindows(self._blocks, self._members.hear, self._options)
        try:
            numbered = in_order(
                enumerate(self._watched(windows)),
                self._encoded_and_decoded,
                self._pool,
                self._windows_at_once,
            )
            with closing(numbered):
                for (_, window), decoded in numbered:
                    self.duration_s = windows.duration_s
                    yield window, decoded
            self.duration_s = windows.duration_s
        finally:
            self._language.end()

    def _watched(self, windows: SpeechWindows) -> Iterator[Window]:
        for window in windows:
            self._job.check()
            yield window

    def _encoded_and_decoded(self, numbered: tuple[int, Window]) -> Decoded:
        index, window = numbered
        self._job.check()
        encoded = self._members.encode(window)
        language = self._language.of_window(index)
        self._job.check()
        decoded = self._members.decode(window, encoded, self._parameters(window, language))
        self._learn_language(index, decoded)
        return decoded

    def _learn_language(self, index: int, decoded: Decoded) -> None:
        said = bool(decoded.segments) and not is_silent(decoded, self._options)
        self._language.learn(index, decoded.language, decoded.language_probability if said else 0.0)

    def _one_after_the_other(self) -> Generator[tuple[Window, Decoded]]:
        windows = SequentialWindows(self._blocks, self._options.packing.window_s)
        said: tuple[int, ...] = ()
        for index, window in enumerate(windows):
            self._job.check()
            encoded = self._members.encode(window)
            self._job.check()
            parameters = self._parameters(window, self._language.of_window(index))
            if said:
                parameters["prompt_tokens"] = ",".join(map(str, said[-MOST_PROMPT_TOKENS:]))
                parameters.pop("prompt", None)
            decoded = self._members.decode(window, encoded, parameters)
            self._learn_language(index, decoded)
            if not is_silent(decoded, self._options):
                windows.go_on(window, decoded.consumed_s)
            if self._options.condition_on_previous_text:
                said = said + decoded.tokens if decoded.temperature <= SURE_TEMPERATURE else ()
            self.duration_s = windows.duration_s
            yield window, _finished(decoded, window)
        self.duration_s = windows.duration_s

    def _parameters(self, window: Window, language: str) -> dict[str, CallValue]:
        asked: dict[str, CallValue] = {
            "job": self._job.id,
            "word_timestamps": self._options.word_timestamps or window.needs_words,
            **self._options.of_decoder(),
        }
        if language:
            asked["language"] = language
        if self._options.prompt:
            asked["prompt"] = self._options.prompt
        return asked


def _finished(decoded: Decoded, window: Window) -> Decoded:
    """Without a segment that the next window begins with, and will hear whole."""
    if decoded.consumed_s >= window.duration_s:
        return decoded
    finished = (segment for segment in decoded.segments if segment.start_s < decoded.consumed_s - 0.01)
    return replace(decoded, segments=tuple(finished))
