"""A window of audio for Whisper, and where in the recording everything in it was.

A window holds up to 30 s: stretches of the recording (pieces) one after the other, long pauses between them
left out. Times that Whisper gives are of the window; `Window.place` gives those of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 30 * SAMPLE_RATE  # what the encoder takes, shorter audio padded with zeros

# Silence that a word may have at its edges: Silero VAD hears a soft beginning, an s or an f, up to 0.24 s
# late (5 % of spoken digits: over 0.14 s), so a beginning that is moved here is late by 0.14 s at most.
EDGE_SILENCE_SAMPLES = 1_600
# So little of the speech on the other side of a pause is the neighbour's, not the word's.
SLIVER_SAMPLES = 2_400


@dataclass(frozen=True)
class Span:
    """A stretch of samples, from `start` to before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def overlap(self, other: Span) -> int:
        """Samples that both have; 0 or less where they do not touch."""
        return min(self.end, other.end) - max(self.start, other.start)


@dataclass(frozen=True)
class Window:
    """Audio to decode at once, and its place. All spans are in samples of the recording."""

    waveform: NDArray[np.float32]  # the pieces one after the other, at most WINDOW_SAMPLES
    pieces: tuple[Span, ...]  # stretches of the recording, in order, with something left out between two
    speech: tuple[Span, ...]  # where in the pieces the VAD hears speech; none: it was not asked
    owned: Span  # what this window answers for; the rest is there to be heard, and a neighbour's
    needs_words: bool = False  # whether only word times tell which words are this window's, or in which piece

    @property
    def duration_s(self) -> float:
        """How much of the window is audio."""
        return self.waveform.size / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Up to where in the recording the window answers."""
        return self.owned.end / SAMPLE_RATE

    def padded(self) -> NDArray[np.float32]:
        """The waveform as the encoder takes it, shape (WINDOW_SAMPLES,)."""
        return np.pad(self.waveform, (0, WINDOW_SAMPLES - self.waveform.size))

    def place(self, start_s: float, end_s: float) -> Span:
        """Where in the recording the window's time from `start_s` to `end_s` was.

        Never across a pause that was left out: Whisper often lets a word or segment begin where the one
        before it ended, which may have been minutes earlier. So a time that lies in silence moves to the
        edge of the speech that it belongs to, and the piece that has most of that speech decides.
        """
        interval = Span(round(start_s * SAMPLE_RATE), max(round(end_s * SAMPLE_RATE), 0))
        best: tuple[tuple[int, int], Span] | None = None
        offset = 0  # of the piece in the window
        for piece in self.pieces:
            inside = Span(interval.start - offset, interval.end - offset)
            placed, speech = self._in_piece(piece, Span(piece.start + inside.start, piece.start + inside.end))
            rank = (speech, placed.length if speech else -_distance(inside, piece.length))
            if best is None or rank > best[0]:
                best = (rank, placed)
            offset += piece.length
        assert best is not None  # a window has a piece
        return best[1]

    def _in_piece(self, piece: Span, interval: Span) -> tuple[Span, int]:
        """The interval held to one piece and trimmed to the speech in it; and how much speech that is."""
        start = min(max(interval.start, piece.start), piece.end)
        end = min(max(interval.end, start), piece.end)
        touched = [span for span in self.speech if span.overlap(Span(start, end)) > 0]
        if not touched:
            return Span(start, end), 0
        heard = [span for span in touched if span.overlap(Span(start, end)) > SLIVER_SAMPLES] or touched
        start = max(start, heard[0].start - EDGE_SILENCE_SAMPLES)
        end = min(end, heard[-1].end + EDGE_SILENCE_SAMPLES)
        return Span(start, end), sum(span.overlap(Span(start, end)) for span in heard)

    def owns(self, placed: Span) -> bool:
        """Whether a word at this place is this window's to tell: its middle is."""
        return self.owned.start <= (placed.start + placed.end) // 2 < self.owned.end


def _distance(inside: Span, length: int) -> int:
    """How far an interval is from a piece of that length; 0 or less where they touch."""
    return max(inside.start - length, -inside.end)
