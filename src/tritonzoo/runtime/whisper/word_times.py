"""When each word of an answer was said.

The path through the decoder's attention says when a token begins; Whisper's own timestamps hold it in check
where the path wanders off into a pause, by the rules of openai/whisper's `add_word_timestamps` (timing.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tritonzoo.runtime.whisper.alignment import token_frames
from tritonzoo.runtime.whisper.decoding import FRAMES_PER_S
from tritonzoo.runtime.whisper.hypothesis import Hypothesis
from tritonzoo.runtime.whisper.segments import Segment
from tritonzoo.runtime.whisper.vocabulary import Vocabulary
from tritonzoo.runtime.whisper.words import words_of

# openai/whisper's numbers: how far a word may lie outside its segment, and what no usual word is longer than.
_LEEWAY_S = 0.5
_LONGEST_USUAL_S = 0.7


@dataclass(frozen=True)
class TimedWord:
    """A word, when it is said from the window's start, and in which segment."""

    text: str
    start_s: float
    end_s: float
    probability: float
    segment: int


def timed_words(
    hypothesis: Hypothesis,
    segments: Sequence[Segment],
    vocabulary: Vocabulary,
    language: str,
    duration_s: float,
    median_width: int,
) -> list[TimedWord]:
    """The words of an answer, in order. Without attention, for an answer that ended at once, there are none.

    duration_s: how much of the window is audio; median_width: of the filter over the attention, in frames.
    """
    tokens = hypothesis.tokens
    # The window's opening timestamp is nothing said.
    opening = 1 if tokens and tokens[0] >= vocabulary.first_timestamp else 0
    if len(tokens) <= opening or len(hypothesis.attention) < len(tokens):
        return []
    frames = token_frames(hypothesis.attention[opening:], median_width)
    # The end's own row, where it was reached, ends the last word; else the audio does.
    starts_s = np.append(frames / FRAMES_PER_S, duration_s)
    words = []
    for index, segment in enumerate(segments):
        places = [place for place in range(segment.first, segment.last) if tokens[place] < vocabulary.end]
        for word in words_of([tokens[place] for place in places], vocabulary, language):
            first, last = places[word.first], places[word.last - 1]
            probabilities = np.exp(hypothesis.log_probabilities[first : last + 1])
            start_s, end_s = starts_s[first - opening], starts_s[last + 1 - opening]
            words.append(
                TimedWord(word.text, float(start_s), float(end_s), float(probabilities.mean()), index)
            )
    return _held_by_segments(words, segments, has_opening=bool(opening))


def _held_by_segments(
    words: Sequence[TimedWord], segments: Sequence[Segment], has_opening: bool
) -> list[TimedWord]:
    """The words, a segment's first and last one held to its timestamps."""
    durations_s = [word.end_s - word.start_s for word in words[1:] if word.end_s > word.start_s]
    usual_s = min(_LONGEST_USUAL_S, float(np.median(durations_s))) if durations_s else _LONGEST_USUAL_S
    held = list(words)
    for index, word in enumerate(words):
        segment = segments[word.segment]
        start_s, end_s = word.start_s, word.end_s
        is_last = index + 1 == len(words) or words[index + 1].segment != word.segment
        if index == 0:
            # The path begins with the window, whenever the first word does.
            start_s = segment.start_s if has_opening else max(start_s, end_s - 2 * usual_s)
            start_s = min(start_s, end_s)
        elif words[index - 1].segment != word.segment and start_s < segment.start_s - _LEEWAY_S < end_s:
            start_s = min(segment.start_s, max(start_s, end_s - usual_s))
        if is_last and start_s < segment.end_s < end_s - _LEEWAY_S:
            end_s = max(segment.end_s, start_s + usual_s)
        held[index] = dataclasses.replace(word, start_s=start_s, end_s=end_s)
    return held
