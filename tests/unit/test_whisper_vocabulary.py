"""Whisper's vocabulary: prompts, languages, and the text of tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.whisper_toys import POSITIONS, write_checkpoint
from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.vocabulary import Vocabulary


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    write_checkpoint(tmp_path)
    return Vocabulary.load(tmp_path)


@pytest.mark.parametrize("text", [" seven three", " Grüße, 世界!", " a\tb\n", " 🙂"])
def test_text_comes_back_from_its_tokens(vocabulary: Vocabulary, text: str) -> None:
    tokens = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
    assert vocabulary.text(tokens) == text
    times = [vocabulary.first_timestamp, *tokens, vocabulary.first_timestamp + 4, vocabulary.end]
    assert vocabulary.text(times) == text


def test_half_a_character_is_a_replacement_character(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.tokenizer.encode("世", add_special_tokens=False).ids
    assert vocabulary.text(tokens[:2]) == "\N{REPLACEMENT CHARACTER}"


def test_the_prompt_stands_before_the_start_and_keeps_its_last_half(vocabulary: Vocabulary) -> None:
    seven = vocabulary.tokenizer.token_to_id("Ġseven")
    assert vocabulary.before_start(DecodingOptions(prompt="  seven seven ")) == [
        vocabulary.previous,
        seven,
        seven,
    ]
    long = vocabulary.before_start(DecodingOptions(prompt_tokens=tuple(range(2, 60))))
    assert long == [vocabulary.previous, *range(60 - (POSITIONS // 2 - 1), 60)]
    assert vocabulary.before_start(DecodingOptions(prompt="  ")) == []


def test_a_prompt_that_spells_a_special_token_is_text(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.before_start(DecodingOptions(prompt="<|en|>"))[1:]
    assert all(token < vocabulary.end for token in tokens)
    assert vocabulary.text(tokens) == " <|en|>"


def test_after_the_start_come_language_task_and_whether_there_are_timestamps(vocabulary: Vocabulary) -> None:
    german = vocabulary.language_token("de")
    translate = vocabulary.tasks["translate"]
    assert vocabulary.after_start(DecodingOptions(task="translate"), german) == [german, translate]
    assert vocabulary.after_start(DecodingOptions(timestamps=False), german)[2:] == [vocabulary.no_timestamps]


def test_an_unknown_language_is_refused_with_those_there_are(vocabulary: Vocabulary) -> None:
    with pytest.raises(
        InvalidInput, match="language is 'xx'; it must be one of de, en, ja, or empty to detect it"
    ):
        vocabulary.check(DecodingOptions(language="xx"))


def test_an_english_only_checkpoint_takes_neither_language_nor_task(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, is_multilingual=False, lang_to_id={}, task_to_id={})
    english = Vocabulary.load(tmp_path)
    english.check(DecodingOptions(language="en"))
    assert english.after_start(DecodingOptions(timestamps=False), None) == [english.no_timestamps]
    with pytest.raises(InvalidInput, match="English-only: leave language and task out"):
        english.check(DecodingOptions(task="translate"))


def test_prompt_tokens_outside_the_vocabulary_are_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(InvalidInput, match="prompt_tokens holds an id"):
        vocabulary.before_start(DecodingOptions(prompt_tokens=(99_999,)))


def test_a_checkpoint_that_lacks_something_says_what(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json is missing; `tritonzoo pull` brings it"):
        Vocabulary.load(tmp_path)
    write_checkpoint(tmp_path, no_timestamps_token_id=None)
    with pytest.raises(
        ConfigurationError, match="lacks no_timestamps_token_id; take it from a current revision"
    ):
        Vocabulary.load(tmp_path)
