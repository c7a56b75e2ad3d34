"""The tokens of one window cut into segments by the timestamps among them.

As openai/whisper's `transcribe` and transformers' `_retrieve_segment` cut, with two things told better: a
segment whose opening timestamp is there starts at it (both take the window's start where there is one segment
only), and what stands after the last closed segment is a segment as well, up to the end of the audio.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tritonzoo.runtime.whisper.vocabulary import Vocabulary


@dataclass(frozen=True)
class Segment:
    """Tokens [first, last) of an answer, timestamps included, and their times from the window's start."""

    first: int
    last: int
    start_s: float
    end_s: float


def segments_of(
    tokens: Sequence[int], vocabulary: Vocabulary, duration_s: float
) -> tuple[list[Segment], float]:
    """The segments, and where Whisper's sequential algorithm goes on: `consumed_s`.

    That is the end of the last closed segment where text follows it, whose segment then starts there or
    later and is decoded again in the next window; else the end of the audio.
    """
    is_time = [token >= vocabulary.first_timestamp for token in tokens]
    # A closing timestamp and the opening one of the next segment stand side by side.
    cuts = [index for index in range(1, len(tokens)) if is_time[index - 1] and is_time[index]]
    borders = [0, *cuts, len(tokens)]
    segments = []
    for first, last in itertools.pairwise(borders):
        if all(is_time[first:last]):
            continue  # nothing said: no tokens, or an opening timestamp at the end
        start_s = vocabulary.seconds(tokens[first]) if is_time[first] else 0.0
        end_s = vocabulary.seconds(tokens[last - 1]) if is_time[last - 1] else max(duration_s, start_s)
        segments.append(Segment(first, last, start_s, end_s))
    closes_at_end = len(tokens) > 1 and is_time[-1] and not is_time[-2]
    consumed_s = vocabulary.seconds(tokens[cuts[-1] - 1]) if cuts and not closes_at_end else duration_s
    return segments, consumed_s
