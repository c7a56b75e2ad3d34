"""Segments and words of a window, put where they are in the recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from tritonzoo.runtime.transcription.decoded import Decoded, DecodedSegment, DecodedWord
from tritonzoo.runtime.transcription.transcript import Segment, Word
from tritonzoo.runtime.transcription.windows import SAMPLE_RATE, Span, Window


def placed_segments(window: Window, decoded: Decoded) -> Iterator[Segment]:
    """The segments of a window with the recording's times, in order.

    Where the window has word times, words that belong to a neighbouring window are left out, and a segment
    that goes on after a pause which was left out of the window is parted there.
    """
    for segment in decoded.segments:
        if not segment.words:
            yield _segment(decoded, segment, segment.text, window.place(segment.start_s, segment.end_s), [])
            continue
        words = [(word, window.place(word.start_s, word.end_s)) for word in segment.words]
        own = [(word, place) for word, place in words if window.owns(place)]
        if len(own) == len(words) and _piece(window, own[0][1]) == _piece(window, own[-1][1]):
            place = _around(window.place(segment.start_s, segment.end_s), own[0][1], own[-1][1])
            yield _segment(decoded, segment, segment.text, place, own)
            continue
        for _, part in groupby(own, key=lambda pair: _piece(window, pair[1])):
            own_part = list(part)
            text = "".join(word.text for word, _ in own_part)
            place = Span(own_part[0][1].start, own_part[-1][1].end)
            yield _segment(decoded, segment, text, place, own_part)


def _piece(window: Window, place: Span) -> int:
    """Which piece of the window a place is in."""
    return max((index for index, piece in enumerate(window.pieces) if piece.start <= place.start), default=0)


def _around(place: Span, first: Span, last: Span) -> Span:
    return Span(min(place.start, first.start), max(place.end, last.end))


def _segment(
    decoded: Decoded,
    segment: DecodedSegment,
    text: str,
    place: Span,
    words: list[tuple[DecodedWord, Span]],
) -> Segment:
    return Segment(
        text=text,
        start_s=place.start / SAMPLE_RATE,
        end_s=place.end / SAMPLE_RATE,
        probability=segment.probability,
        words=tuple(
            Word(word.text, span.start / SAMPLE_RATE, span.end / SAMPLE_RATE, word.probability)
            for word, span in words
        ),
        no_speech_probability=decoded.no_speech_probability,
        mean_log_probability=decoded.mean_log_probability,
        compression_ratio=decoded.compression_ratio,
        temperature=decoded.temperature,
        stop_reason=decoded.stop_reason,
    )


class Timekeeper:
    """Holds times to their order: nothing begins before what came before it has ended.

    Windows overlap where speech was cut through, so two of them may disagree by a few hundredths of a second
    about where one word ends and the next begins.
    """

    def __init__(self) -> None:
        self._segment_end_s = self._word_end_s = 0.0

    def settled(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments with their times in order."""
        for segment in segments:
            start_s = max(segment.start_s, self._segment_end_s)
            self._segment_end_s = max(segment.end_s, start_s)
            words = tuple(map(self._word, segment.words))
            yield replace(segment, start_s=start_s, end_s=self._segment_end_s, words=words)

    def _word(self, word: Word) -> Word:
        start_s = max(word.start_s, self._word_end_s)
        self._word_end_s = max(word.end_s, start_s)
        return replace(word, start_s=start_s, end_s=self._word_end_s)
