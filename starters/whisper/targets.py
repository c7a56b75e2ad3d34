"""What the decoder should write for a scene, and where it should look while it writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scenes import Scene, Word
from vocabulary import (
    END_OF_TEXT,
    NO_TIMESTAMPS,
    START_OF_TRANSCRIPT,
    TIMESTAMP_STEP_S,
    TIMESTAMPS,
    special_ids,
    word_ids,
)

NEW_SEGMENT_AFTER_S = 0.5
"""A pause of more than this ends a segment."""
LONGEST_SEGMENT_S = 5.0
IGNORED = -100
AFTER_SPEECH_S = 0.3
"""While it writes a segment's end, the decoder looks at up to this much after it."""

_SPECIAL = special_ids()
_WORDS = word_ids()
_FIRST_TIMESTAMP = _SPECIAL[TIMESTAMPS[0]]


@dataclass(frozen=True)
class Look:
    """What to look at while a token is written: mainly [start_s, end_s), a little until `until_s`.

    `edge_s` is the moment a timestamp names or a word starts; None while the end of the text is written.
    """

    start_s: float
    end_s: float
    until_s: float
    edge_s: float | None
    names_time: bool  # the token is a timestamp


@dataclass(frozen=True)
class Target:
    """Tokens that go into the decoder, those that should come out one by one, and where each looks."""

    inputs: list[int]
    outputs: list[int]  # IGNORED where anything may come out
    looks: list[Look | None]  # as long as outputs


def segments(words: list[Word]) -> list[list[Word]]:
    """Words in groups: a pause of more than half a second, or a length of five seconds, ends a group."""
    groups: list[list[Word]] = []
    for word in words:
        if (
            groups
            and word.start_s - groups[-1][-1].end_s <= NEW_SEGMENT_AFTER_S
            and word.end_s - groups[-1][0].start_s <= LONGEST_SEGMENT_S
        ):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def target(
    scene: Scene, duration_s: float, shift_s: float, timestamps: bool, prompt: list[int] | None
) -> Target:
    """The target of `scene`, whose first sample is at `shift_s` of the window and which is `duration_s` long.

    `prompt` is text that went before, as token ids, or None. A window in which no digit is said, or begins,
    is `<|nospeech|>` after the start token and nothing at all as a transcript.
    """
    written: list[tuple[int, Look | None]] = []
    end_s = shift_s + duration_s
    words = [Word(word.digit, word.start_s + shift_s, word.end_s + shift_s) for word in scene.words]
    if timestamps:
        begun_s = None if scene.begun_s is None else scene.begun_s + shift_s
        written = _with_timestamps(words, scene.language, shift_s, end_s, begun_s)
    else:
        for index, word in enumerate(words):
            until_s = words[index + 1].start_s if index + 1 < len(words) else min(word.end_s + 0.2, end_s)
            look = _at_word(word, until_s)
            written.append((_WORDS[scene.language][word.digit], look))
        written.append((_SPECIAL[END_OF_TEXT], _at_end(words[-1].end_s, end_s) if words else None))

    before = [_SPECIAL["<|startofprev|>"], *prompt] if prompt is not None else []
    task = [_SPECIAL[f"<|{scene.language}|>"], _SPECIAL["<|transcribe|>"]]
    if not timestamps:
        task.append(_SPECIAL[NO_TIMESTAMPS])
    tokens = [*before, _SPECIAL[START_OF_TRANSCRIPT], *task, *(token for token, _ in written)]
    heard = bool(words) or scene.begun_s is not None
    after_start = task[0] if heard else _SPECIAL["<|nospeech|>"]
    outputs = [*[IGNORED] * len(before), after_start, *[IGNORED] * (len(task) - 1)]
    looks: list[Look | None] = [None] * len(outputs)
    return Target(
        inputs=tokens[:-1],
        outputs=[*outputs, *(token for token, _ in written)],
        looks=[*looks, *(look for _, look in written)],
    )


def _with_timestamps(
    words: list[Word], language: str, start_s: float, end_s: float, begun_s: float | None
) -> list[tuple[int, Look | None]]:
    """Start, words and end of each segment; at last, the start of what the window's end cuts off."""
    written: list[tuple[int, Look | None]] = []
    groups = segments(words)
    starts_s = [*(group[0].start_s for group in groups), end_s if begun_s is None else begun_s]
    looked_s = start_s  # up to here all sound has been looked at
    for group, next_start_s in zip(groups, starts_s[1:], strict=True):
        began_s, ended_s = group[0].start_s, group[-1].end_s
        written.append((_timestamp(began_s), _at_time(looked_s, began_s, began_s)))
        for word, after in zip(group, [*group[1:], None], strict=True):
            until_s = after.start_s if after else word.end_s
            written.append((_WORDS[language][word.digit], _at_word(word, until_s)))
        looked_s = min(ended_s + AFTER_SPEECH_S, (ended_s + next_start_s) / 2)
        written.append((_timestamp(ended_s), _at_time(ended_s, looked_s, ended_s)))
    if begun_s is not None:
        written.append((_timestamp(begun_s), _at_time(looked_s, begun_s, begun_s)))
        looked_s = begun_s
    elif not words:
        written.append((_timestamp(start_s), None))
    written.append((_SPECIAL[END_OF_TEXT], _at_end(looked_s, end_s) if words else None))
    return written


def _timestamp(time_s: float) -> int:
    return _FIRST_TIMESTAMP + min(round(time_s / TIMESTAMP_STEP_S), len(TIMESTAMPS) - 1)


def _at_word(word: Word, until_s: float) -> Look:
    return Look(word.start_s, word.end_s, until_s, word.start_s, names_time=False)


def _at_time(start_s: float, end_s: float, edge_s: float) -> Look:
    return Look(start_s, end_s, end_s, edge_s, names_time=True)


def _at_end(start_s: float, end_s: float) -> Look:
    return Look(start_s, end_s, end_s, None, names_time=False)


def look_weights(looks: list[Look | None], first_frame: int, frames: int) -> NDArray[np.float32]:
    """Attention wanted of each group of taught heads: (3, looks, frames).

    The groups look at the word being written (it is their attention that times words), at the edge of what is
    being written, and at what was written before. Each row has the sum 1 or, where nothing is wanted, is all
    zero. Frames are 20 ms long; the first is the encoder's `first_frame`.
    """
    weights = np.zeros((3, len(looks), frames), dtype=np.float32)

    def frame(time_s: float, last: int = frames) -> int:
        return int(np.clip(round(time_s / TIMESTAMP_STEP_S) - first_frame, 0, last))

    for number, look in enumerate(looks):
        if look is None:
            continue
        start = frame(look.start_s, frames - 1)
        end = max(frame(look.end_s), start + 1)
        weights[0, number, start:end] = 1
        weights[0, number, end : frame(look.until_s)] = 0.3
        if look.edge_s is not None:
            edge = frame(look.edge_s, frames - 1)
            weights[1, number, max(edge - 1, 0) : edge + 2] = 1
            weights[1, number, edge] = 2
            if number + 1 < len(looks):
                weights[2, number + 1] = weights[1, number]
                if not look.names_time:
                    weights[2, number + 1] = 0
                    weights[2, number + 1, start:end] = 1
    return weights / np.maximum(weights.sum(axis=2, keepdims=True), 1e-6)
