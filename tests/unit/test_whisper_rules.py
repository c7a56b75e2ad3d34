"""What may follow what: suppressed tokens and the grammar of timestamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.whisper_toys import TIMES, write_checkpoint
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.rules import TokenRules
from tritonzoo.runtime.whisper.vocabulary import Vocabulary


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    write_checkpoint(tmp_path)
    return Vocabulary.load(tmp_path)


def allowed(
    vocabulary: Vocabulary, tokens: list[int], likely: int | None = None, **options: object
) -> set[int]:
    """Tokens that may follow; text is made likelier than timestamps, or `likely` than everything."""
    logits = np.zeros(vocabulary.first_timestamp + TIMES, np.float32)
    logits[: vocabulary.end + 1] = 20
    if likely is not None:
        logits[likely] = 40
    TokenRules(vocabulary, DecodingOptions(**options)).apply(logits, tokens)  # type: ignore[arg-type]
    return set(np.flatnonzero(np.isfinite(logits)).tolist())


def times(vocabulary: Vocabulary, first: int, last: int = TIMES) -> set[int]:
    return set(range(vocabulary.first_timestamp + first, vocabulary.first_timestamp + last))


def test_an_answer_with_timestamps_opens_with_one_of_the_first_second_half(vocabulary: Vocabulary) -> None:
    assert allowed(vocabulary, []) == times(vocabulary, 0, 26)


def test_after_the_opening_timestamp_comes_text(vocabulary: Vocabulary) -> None:
    found = allowed(vocabulary, [vocabulary.first_timestamp])
    assert not found & times(vocabulary, 0)
    assert 50 in found and vocabulary.end in found


def test_a_closing_timestamp_is_followed_by_the_next_opening_or_the_end(vocabulary: Vocabulary) -> None:
    first = vocabulary.first_timestamp
    found = allowed(vocabulary, [first, 50, first + 10])
    assert found & (times(vocabulary, 0) | {vocabulary.end}) == times(vocabulary, 10) | {vocabulary.end}
    assert not any(token < vocabulary.end for token in found)


def test_timestamps_never_go_back_and_a_segment_takes_time(vocabulary: Vocabulary) -> None:
    first = vocabulary.first_timestamp
    found = allowed(vocabulary, [first + 10, 50, 51])
    assert found & times(vocabulary, 0) == times(vocabulary, 11)


def test_timestamps_that_together_are_likelier_than_any_text_win(vocabulary: Vocabulary) -> None:
    first = vocabulary.first_timestamp
    assert allowed(vocabulary, [first, 50], likely=first + 5) == times(vocabulary, 1)


def test_no_timestamps_is_never_said_where_there_are_timestamps(vocabulary: Vocabulary) -> None:
    assert vocabulary.no_timestamps not in allowed(vocabulary, [vocabulary.first_timestamp])
    assert vocabulary.no_timestamps in allowed(vocabulary, [50], timestamps=False)


def test_the_checkpoints_symbols_are_suppressed_or_the_callers_with_the_controls(
    vocabulary: Vocabulary,
) -> None:
    without = allowed(vocabulary, [50], timestamps=False)
    assert not without & set(vocabulary.suppressed)
    own = allowed(vocabulary, [50], timestamps=False, suppress_tokens=(60,))
    assert 60 not in own and vocabulary.suppressed[0] in own
    assert not own & set(vocabulary.control_tokens)


def test_a_blank_is_suppressed_at_the_beginning_alone(vocabulary: Vocabulary) -> None:
    blank = vocabulary.suppressed_at_begin[0]
    assert blank not in allowed(vocabulary, [], timestamps=False)
    assert blank in allowed(vocabulary, [50], timestamps=False)


def test_the_end_waits_for_the_least_number_of_tokens(vocabulary: Vocabulary) -> None:
    assert vocabulary.end not in allowed(vocabulary, [50, 51], timestamps=False, min_new_tokens=3)
    assert vocabulary.end in allowed(vocabulary, [50, 51, 52], timestamps=False, min_new_tokens=3)
