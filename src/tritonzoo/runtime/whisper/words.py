"""Tokens joined to words, punctuation with the word it belongs to.

As openai/whisper's tokenizer.py (`split_to_word_tokens`) and timing.py (`merge_punctuations`).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from tritonzoo.runtime.whisper.vocabulary import Vocabulary

# Languages written without spaces: every whole character is a word.
_WITHOUT_SPACES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
_OPENING = "\"'“¿([{-"
_CLOSING = "\"'.。,\uff0c!\uff01?\uff1f:\uff1a”)]}、"  # the escapes: full-width , ! ? :


@dataclass(frozen=True)
class Word:
    """Tokens [first, last) of a list, and the text they spell, its space in front."""

    first: int
    last: int
    text: str


def words_of(tokens: Sequence[int], vocabulary: Vocabulary, language: str) -> list[Word]:
    """The words that text tokens spell, in order and without gaps."""
    characters = _whole_characters(tokens, vocabulary)
    words = characters if language in _WITHOUT_SPACES else _joined_at_spaces(characters)
    return _with_closing(_with_opening(words))


def _whole_characters(tokens: Sequence[int], vocabulary: Vocabulary) -> list[Word]:
    """Tokens joined until their bytes are whole characters of UTF-8."""
    words, first = [], 0
    for last in range(1, len(tokens) + 1):
        text = vocabulary.text(tokens[first:last])
        # A token may hold bytes that never make a character; four bytes are the longest that might.
        if "\N{REPLACEMENT CHARACTER}" not in text or last - first >= 4 or last == len(tokens):
            words.append(Word(first, last, text))
            first = last
    return words


def _joined_at_spaces(parts: Sequence[Word]) -> list[Word]:
    words: list[Word] = []
    for part in parts:
        begins = part.text.startswith(" ") or part.text.strip() in string.punctuation
        if words and not begins:
            words[-1] = _join(words[-1], part)
        else:
            words.append(part)
    return words


def _with_opening(words: Sequence[Word]) -> list[Word]:
    """A quotation mark or bracket that opens goes with the word after it."""
    merged: list[Word] = []
    for word in reversed(words):
        if merged and word.text.startswith(" ") and word.text.strip() in _OPENING:
            merged[-1] = _join(word, merged[-1])
        else:
            merged.append(word)
    return merged[::-1]


def _with_closing(words: Sequence[Word]) -> list[Word]:
    """A mark that closes goes with the word before it."""
    merged: list[Word] = []
    for word in words:
        if merged and not merged[-1].text.endswith(" ") and word.text in _CLOSING:
            merged[-1] = _join(merged[-1], word)
        else:
            merged.append(word)
    return merged


def _join(word: Word, after: Word) -> Word:
    return Word(word.first, after.last, word.text + after.text)
