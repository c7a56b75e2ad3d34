"""Segments from timestamps, words from tokens, and when each was said."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.unit.whisper_toys import write_checkpoint
from tritonzoo.runtime.tensors import tensor_specs
from tritonzoo.runtime.whisper.alignment import token_frames, warped
from tritonzoo.runtime.whisper.answer import answer_of
from tritonzoo.runtime.whisper.decoding import Outcome
from tritonzoo.runtime.whisper.hypothesis import Hypothesis
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.segments import Segment, segments_of
from tritonzoo.runtime.whisper.vocabulary import Vocabulary
from tritonzoo.runtime.whisper.word_times import timed_words
from tritonzoo.runtime.whisper.words import words_of
from tritonzoo.testing.model_config import model_config

ROOT = Path(__file__).parents[2]


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    write_checkpoint(tmp_path)
    return Vocabulary.load(tmp_path)


def tokens_of(vocabulary: Vocabulary, *parts: str | float) -> list[int]:
    """Text as its tokens, seconds as timestamps."""
    tokens = []
    for part in parts:
        if isinstance(part, str):
            tokens += vocabulary.tokenizer.encode(part, add_special_tokens=False).ids
        else:
            tokens.append(vocabulary.first_timestamp + round(part / 0.02))
    return tokens


def spans(segments: list[Segment]) -> list[tuple[float, float]]:
    return [(round(each.start_s, 2), round(each.end_s, 2)) for each in segments]


@pytest.mark.parametrize(
    ("parts", "expected", "consumed_s"),
    [
        ((0.1, " one", 0.5, 0.6, " two", 0.9), [(0.1, 0.5), (0.6, 0.9)], 30.0),
        ((0.1, " one", 0.5, 0.5), [(0.1, 0.5)], 0.5),
        ((0.1, " one", 0.5, 0.6, " two"), [(0.1, 0.5), (0.6, 30.0)], 0.5),
        ((0.4, " one two", 0.9), [(0.4, 0.9)], 30.0),
        ((0.4, " one two"), [(0.4, 30.0)], 30.0),
        ((" one two",), [(0.0, 30.0)], 30.0),
        ((0.4,), [], 30.0),
        ((), [], 30.0),
    ],
)
def test_timestamps_cut_segments_and_say_where_the_next_window_starts(
    vocabulary: Vocabulary,
    parts: tuple[str | float, ...],
    expected: list[tuple[float, float]],
    consumed_s: float,
) -> None:
    segments, consumed = segments_of(tokens_of(vocabulary, *parts), vocabulary, 30.0)
    assert spans(segments) == expected
    assert consumed == pytest.approx(consumed_s)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (" seven three", "en", [" seven", " three"]),
        (' "Seven," he said (twice).', "en", [' "Seven,"', " he", " said", " (twice)."]),
        (" don't", "en", [" don", "'t"]),
        ("世界です。", "ja", ["世", "界", "で", "す。"]),
        ("Grüße aus Köln", "de", ["Grüße", " aus", " Köln"]),
    ],
)
def test_tokens_are_joined_to_words_with_their_punctuation(
    vocabulary: Vocabulary, text: str, language: str, expected: list[str]
) -> None:
    tokens = tokens_of(vocabulary, text)
    words = words_of(tokens, vocabulary, language)
    assert "".join(word.text for word in words) == text
    assert [(word.first, word.last) for word in words] == list(
        itertools.pairwise([0, *[word.last for word in words]])
    )
    if text != " don't":  # an apostrophe stands alone, then joins what was before
        assert [word.text for word in words] == expected


def test_bytes_that_never_make_a_character_still_belong_to_a_word(vocabulary: Vocabulary) -> None:
    half = tokens_of(vocabulary, "世")[:2]
    words = words_of([*half, *half, *half], vocabulary, "en")
    assert words[0].first == 0 and words[-1].last == 6


def plainly_warped(cost: np.ndarray) -> list[int]:
    """Dynamic time warping cell by cell."""
    tokens, frames = cost.shape
    best = np.full((tokens + 1, frames + 1), np.inf, np.float32)
    best[0, 0] = 0
    came = np.zeros((tokens + 1, frames + 1), int)
    for row, column in itertools.product(range(1, tokens + 1), range(1, frames + 1)):
        both, token, frame = best[row - 1, column - 1], best[row - 1, column], best[row, column - 1]
        came[row, column] = 0 if both < min(token, frame) else 1 if token < min(both, frame) else 2
        best[row, column] = cost[row - 1, column - 1] + (both, token, frame)[came[row, column]]
    path, row, column = [], tokens, frames
    while row > 0 and column > 0:
        path.append((row - 1, column - 1))
        step = came[row, column]
        row, column = row - (step != 2), column - (step != 1)
    return [min(frame for token, frame in path if token == wanted) for wanted in range(tokens)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (5, 5), (12, 40), (30, 11)])
def test_the_path_is_that_of_dynamic_time_warping_cell_by_cell(shape: tuple[int, int]) -> None:
    for seed in range(5):
        cost = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        assert warped(cost).tolist() == plainly_warped(cost)


def test_a_token_begins_where_its_attention_does() -> None:
    starts = [0, 20, 45, 70]
    weights = np.full((2, 4, 100), 0.001, np.float32)
    for token, (start, end) in enumerate(itertools.pairwise([*starts, 100])):
        weights[:, token, start:end] = 0.03
    found = token_frames(list(weights.swapaxes(0, 1)), median_width=7)
    assert np.abs(found - starts).max() <= 1


def test_one_token_or_none_is_no_reason_to_fail() -> None:
    assert token_frames([], 7).tolist() == []
    assert token_frames([np.full((2, 3), 0.3, np.float32)], 7).tolist() == [0]


def looking_at(spans_s: list[tuple[float, float]], duration_s: float) -> list[np.ndarray]:
    """Attention of one head that looks, for each token, at a span of time."""
    rows = []
    for start_s, end_s in spans_s:
        row = np.full((1, round(duration_s * 50)), 0.001, np.float32)
        row[0, round(start_s * 50) : round(end_s * 50)] = 0.03
        rows.append(row)
    return rows


def timed(
    vocabulary: Vocabulary,
    parts: tuple[str | float, ...],
    looks: list[tuple[float, float]],
    language: str = "en",
) -> list[tuple[str, float, float, int]]:
    tokens = tokens_of(vocabulary, *parts)
    assert len(looks) == len(tokens) + 1  # the end's
    hypothesis = Hypothesis(tokens, [-0.5] * len(looks), looking_at(looks, 4.0), is_ended=True)
    segments, _ = segments_of(tokens, vocabulary, 4.0)
    words = timed_words(hypothesis, segments, vocabulary, language, 4.0, 7)
    assert all(word.probability == pytest.approx(np.exp(-0.5)) for word in words)
    return [(word.text, round(word.start_s, 2), round(word.end_s, 2), word.segment) for word in words]


def near(found: list[tuple[str, float, float, int]], expected: list[tuple[str, float, float, int]]) -> bool:
    return len(found) == len(expected) and all(
        (one[0], one[3]) == (other[0], other[3])
        and abs(one[1] - other[1]) <= 0.04
        and abs(one[2] - other[2]) <= 0.04
        for one, other in zip(found, expected, strict=True)
    )


def test_words_are_timed_by_where_the_decoder_looks_and_the_first_by_its_timestamp(
    vocabulary: Vocabulary,
) -> None:
    parts = (0.6, " seven", " three", 2.0)
    looks = [(0.0, 0.6), (0.6, 1.2), (1.2, 1.7), (1.7, 2.0), (2.0, 4.0)]
    found = timed(vocabulary, parts, looks)
    assert near(found, [(" seven", 0.6, 1.2, 0), (" three", 1.2, 1.7, 0)])


def test_without_timestamps_the_first_word_is_at_most_twice_as_long_as_usual(vocabulary: Vocabulary) -> None:
    looks = [(1.6, 2.0), (2.0, 2.5), (2.5, 3.0), (3.0, 4.0)]
    found = timed(vocabulary, (" one", " two", " three"), looks)
    assert near(found, [(" one", 1.0, 2.0, 0), (" two", 2.0, 2.5, 0), (" three", 2.5, 3.0, 0)])


def test_a_word_that_wanders_far_into_a_pause_is_held_by_its_segment(vocabulary: Vocabulary) -> None:
    # The path gives the pause from 0.5 to 3.0 s to the word before it; the timestamps know better.
    parts = (0.0, " one", 0.5, 3.0, " two", 3.5)
    looks = [(0.0, 0.1), (0.1, 2.8), (2.8, 2.9), (2.9, 3.0), (3.0, 3.5), (3.5, 3.6), (3.6, 4.0)]
    found = timed(vocabulary, parts, looks)
    assert found[0][2] <= 0.0 + 0.7 + 0.04
    assert near(found[1:], [(" two", 3.0, 3.5, 1)])


def test_an_answer_without_words_has_no_times(vocabulary: Vocabulary) -> None:
    assert timed(vocabulary, (), [(0.0, 4.0)]) == []
    assert timed(vocabulary, (0.4,), [(0.0, 4.0), (0.0, 4.0)]) == []


def test_the_answer_is_whole_and_as_config_pbtxt_declares_it(vocabulary: Vocabulary) -> None:
    tokens = tokens_of(vocabulary, 0.0, " one two", 0.5, 0.6, " three")
    hypothesis = Hypothesis(tokens, [-0.25] * (len(tokens) + 1), is_ended=True)
    outcome = Outcome(hypothesis, "en", 0.75, 0.125, 0.2, 1.5, "stop")
    answer = answer_of(outcome, DecodingOptions(duration_s=0.9), vocabulary, 7)
    assert answer["text"].tolist() == [[b"one two three"]]
    assert answer["segment_text"].tolist() == [[b" one two", b" three"]]
    assert answer["segment_end_s"] == pytest.approx(np.array([[0.5, 0.9]]))
    assert answer["segment_probability"] == pytest.approx(np.exp(np.full((1, 2), -0.25)))
    assert answer["tokens"].tolist() == [tokens]
    assert answer["word_text"].shape == (1, 0)
    declared = tensor_specs(model_config(ROOT / "model_repository" / "whisper_decoder"), "output")
    assert answer.keys() == declared.keys()
    for name, spec in declared.items():
        assert spec.conform(answer[name], 1).dtype == spec.dtype


def test_the_answer_to_who_cancels_is_empty(vocabulary: Vocabulary) -> None:
    answer = answer_of(Outcome.nothing(), DecodingOptions(), vocabulary, 7)
    assert answer["stop_reason"].tolist() == [[b"cancelled"]]
    assert answer["tokens"].shape == (1, 0) and answer["text"].tolist() == [[b""]]
