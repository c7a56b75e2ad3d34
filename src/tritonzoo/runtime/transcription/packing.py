"""Stretches of speech packed into windows for Whisper, as they are found.

Like WhisperX (Bain et al. 2023, arXiv:2303.00747) and faster-whisper's batched pipeline, windows are cut
where nobody speaks, so that they can be decoded side by side. Unlike there, a pause keeps up to `pause_s` of
its real sound (speech that is glued together has no word boundaries and odd timestamps), a window ends at the
longest pause of its last third and not at whatever pause came last, and speech that never pauses is cut
where the VAD is least sure of it, the two windows overlapping so that the word at the cut is whole in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.transcription.tape import Tape
from tritonzoo.runtime.transcription.windows import SAMPLE_RATE, Span, Window

FRAME_SAMPLES = 512  # what one speech probability is about
SMOOTHING_FRAMES = 5  # 160 ms: shorter dips of the probability lie inside of words
SHORTEST_WINDOW_S = 5.0
LONGEST_PAUSE_S = 5.0
LONGEST_WINDOW_S = 29.0  # at least 1 s of the encoder's 30 is zeros: Whisper then knows that the audio ends


@dataclass(frozen=True)
class PackingOptions:
    """How speech is packed into windows."""

    window_s: float = LONGEST_WINDOW_S  # the longest window
    pause_s: float = 1.0  # a longer pause inside of a window is shortened to this
    overlap_s: float = 1.0  # what is heard on either side of a cut through speech

    def __post_init__(self) -> None:
        if not SHORTEST_WINDOW_S <= self.window_s <= LONGEST_WINDOW_S:
            raise InvalidInput(
                f"window_s is {self.window_s:g}; it must be from {SHORTEST_WINDOW_S:g} to"
                f" {LONGEST_WINDOW_S:g}"
            )
        if not 0 <= self.pause_s <= LONGEST_PAUSE_S:
            raise InvalidInput(
                f"pause_s is {self.pause_s:g}; it must be from 0 to {LONGEST_PAUSE_S:g} seconds"
            )

    @classmethod
    def read(cls, sent: RequestParameters, window_s: float | None = None) -> PackingOptions:
        """From request parameters, `window_s` where none is sent; raises InvalidInput."""
        return cls(
            window_s=sent.number(
                "window_s",
                window_s or cls.window_s,
                least=SHORTEST_WINDOW_S,
                most=LONGEST_WINDOW_S,
                means="the longest window, in seconds; a checkpoint may bring another default",
            ),
            pause_s=sent.number(
                "pause_s",
                cls.pause_s,
                least=0,
                most=LONGEST_PAUSE_S,
                means="a longer pause inside of a window is shortened to this",
            ),
        )


class Packer:
    """Packs spans of speech, given in their order, into windows.

    `audio` and `probabilities` (one for each FRAME_SAMPLES) are appended to by the caller, and let go of
    here: everything before `needed_from`.
    """

    def __init__(self, options: PackingOptions, audio: Tape, probabilities: Tape) -> None:
        self._audio, self._probabilities = audio, probabilities
        self._most = round(options.window_s * SAMPLE_RATE)
        self._margin = round(options.pause_s * SAMPLE_RATE / 2)  # what is kept of a pause at either end
        self._overlap = round(options.overlap_s * SAMPLE_RATE)
        self._open: list[Span] = []  # speech of the window that is being filled
        self._cut = 0  # where the window before it ends, and this one's own part begins
        self._cut_in_speech = False

    @property
    def needed_from(self) -> int | None:
        """The first sample that a window to come needs; None when that is up to the speech to come."""
        return self._lead(self._open[0]) if self._open else None

    @property
    def margin(self) -> int:
        """Samples before speech to come that it may need."""
        return self._margin

    def add(self, speech: Span) -> Iterator[Window]:
        """Take the next stretch of speech; yields the windows that it fills."""
        if self._open and speech.start - self._open[-1].end <= FRAME_SAMPLES:  # the VAD's own cut, no pause
            speech = Span(self._open.pop().start, speech.end)
        while True:
            if self._length([*self._open, speech]) <= self._most:
                self._open.append(speech)
                return
            pause = self._best_pause(speech)
            if pause is not None:
                following = [*self._open[pause + 1 :], speech]
                yield self._until_pause(self._open[: pause + 1], following[0])
                self._open = following[:-1]
            else:
                cut = self._least_certain(speech)
                yield self._until_cut([*self._open, Span(speech.start, cut)], cut)
                self._open, speech = [], Span(cut, speech.end)

    def finish(self) -> Iterator[Window]:
        """The last window, once there is no more speech."""
        if self._open:
            yield self._until_pause(self._open, None)
            self._open = []

    def _lead(self, first: Span) -> int:
        """Where a window that begins with this speech begins: no earlier than it has to, but in silence."""
        if self._begins_in_speech(first):
            return max(first.start - self._overlap, 0)
        return max(first.start - self._margin, self._cut, 0)

    def _pieces(self, speech: list[Span], end: int) -> tuple[Span, ...]:
        """What of the recording the window takes, pauses shortened; `end` is where it may end at most."""
        pieces = [Span(self._lead(speech[0]), speech[0].end)]
        for span in speech[1:]:
            if span.start - pieces[-1].end <= 2 * self._margin:
                pieces[-1] = Span(pieces[-1].start, span.end)
            else:
                pieces[-1] = Span(pieces[-1].start, pieces[-1].end + self._margin)
                pieces.append(Span(span.start - self._margin, span.end))
        pieces[-1] = Span(pieces[-1].start, min(pieces[-1].end + self._margin, max(end, pieces[-1].end)))
        return tuple(pieces)

    def _length(self, speech: list[Span]) -> int:
        """How long the window of this speech would be."""
        return sum(piece.length for piece in self._pieces(speech, speech[-1].end + self._margin))

    def _best_pause(self, following: Span) -> int | None:
        """After which of the open spans to end the window: the longest pause in its last third.

        If there is none so late, it is the pause before `following`; but before speech that is longer than a
        window, and so has to be cut through anyway, not one that would leave half of the window empty. None:
        cut through speech.
        """
        may_be_early = self._length([following]) <= self._most
        candidates = []
        for index, span in enumerate(self._open):
            after = self._open[index + 1] if index + 1 < len(self._open) else following
            filled = self._length(self._open[: index + 1])
            if filled >= self._most * 2 // 3 or (
                after is following and (may_be_early or filled >= self._most // 2)
            ):
                candidates.append((after.start - span.end, index))
        return max(candidates)[1] if candidates else None

    def _least_certain(self, speech: Span) -> int:
        """Where to cut through speech: at the lowest probability in the last third of the room there is."""
        used = self._length([*self._open, Span(speech.start, speech.start + 1)]) - self._margin
        latest = min(speech.start + self._most - used, speech.end) - self._overlap
        earliest = max(latest - self._most // 3, speech.start + FRAME_SAMPLES)
        first, last = earliest // FRAME_SAMPLES, latest // FRAME_SAMPLES
        half = SMOOTHING_FRAMES // 2
        probabilities = self._probabilities.read(first - half, last + half)
        if probabilities.size < SMOOTHING_FRAMES:
            return latest
        smooth = np.convolve(probabilities, np.full(SMOOTHING_FRAMES, 1 / SMOOTHING_FRAMES), "valid")
        return (max(first, half) + int(np.argmin(smooth))) * FRAME_SAMPLES + FRAME_SAMPLES // 2

    def _until_pause(self, speech: list[Span], following: Span | None) -> Window:
        """The window of this speech, which a pause follows, or the recording's end."""
        cut = self._audio.end if following is None else (speech[-1].end + following.start) // 2
        return self._window(speech, self._pieces(speech, cut), cut, cut_in_speech=False)

    def _until_cut(self, speech: list[Span], cut: int) -> Window:
        """The window of this speech, whose last span goes on after the cut."""
        *before, last = self._pieces(speech, cut)
        heard = min(cut + self._overlap, self._audio.end)
        speech = [*speech[:-1], Span(speech[-1].start, heard)]
        return self._window(speech, (*before, Span(last.start, heard)), cut, cut_in_speech=True)

    def _window(
        self, speech: list[Span], pieces: tuple[Span, ...], cut: int, *, cut_in_speech: bool
    ) -> Window:
        first = speech[0]
        if self._begins_in_speech(first):
            speech = [Span(pieces[0].start, first.end), *speech[1:]]
        window = Window(
            waveform=np.concatenate([self._audio.read(piece.start, piece.end) for piece in pieces]),
            pieces=pieces,
            speech=tuple(speech),
            owned=Span(self._cut, cut),
            needs_words=len(pieces) > 1 or cut_in_speech or self._cut_in_speech,
        )
        self._cut, self._cut_in_speech = cut, cut_in_speech
        return window

    def _begins_in_speech(self, first: Span) -> bool:
        return self._cut_in_speech and first.start == self._cut


def packed(spans: Iterable[Span], packer: Packer) -> Iterator[Window]:
    """Every window of some speech."""
    for span in spans:
        yield from packer.add(span)
    yield from packer.finish()
