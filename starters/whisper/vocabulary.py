"""The starter's words and tokens, laid out as Whisper's: bytes, merges, then special tokens in its order."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

WORDS = {
    "en": "zero one two three four five six seven eight nine".split(),
    "de": "null eins zwei drei vier fünf sechs sieben acht neun".split(),
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve".split(),
    "fr": "zéro un deux trois quatre cinq six sept huit neuf".split(),
}
"""Language to its ten digits. The index is the digit."""

END_OF_TEXT = "<|endoftext|>"
START_OF_TRANSCRIPT = "<|startoftranscript|>"
CONTROL = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
NO_TIMESTAMPS = "<|notimestamps|>"
TIMESTAMP_STEP_S = 0.02
TIMESTAMPS = [f"<|{index * TIMESTAMP_STEP_S:.2f}|>" for index in range(1501)]

SPECIALS = [END_OF_TEXT, START_OF_TRANSCRIPT, *(f"<|{code}|>" for code in WORDS), *CONTROL, NO_TIMESTAMPS]
"""All special tokens but the timestamps, which follow them."""


@cache
def byte_letters() -> list[str]:
    """The printable letter that stands for each byte in a byte-level BPE, by byte (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters, spare = [], 256
    for byte in range(256):
        letters.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return letters


def merges() -> list[tuple[str, str]]:
    """Merges, first to last, that make each word after a space one token, and a word without it few.

    A word is built from its left end. The pieces with a space come first in rank, so that no piece without
    one can take a letter out of the middle of a word.
    """
    letter = byte_letters()
    made: dict[tuple[str, str], None] = {}
    for prefix in (" ", ""):
        for words in WORDS.values():
            for word in words:
                pieces = [letter[byte] for byte in (prefix + word).encode()]
                for end in range(1, len(pieces)):
                    made["".join(pieces[:end]), pieces[end]] = None
    return list(made)


@cache
def pieces() -> dict[str, int]:
    """The byte-level pieces and their ids: 256 bytes in GPT-2's order, then what the merges make."""
    printable_first = sorted(byte_letters(), key=lambda letter: (ord(letter) >= 0x100, ord(letter)))
    ids = {letter: index for index, letter in enumerate(printable_first)}
    for left, right in merges():
        ids.setdefault(left + right, len(ids))
    return ids


@cache
def special_ids() -> dict[str, int]:
    """Special tokens and timestamps and their ids, right after the pieces."""
    first = len(pieces())
    return {token: first + index for index, token in enumerate([*SPECIALS, *TIMESTAMPS])}


@cache
def word_ids() -> dict[str, list[int]]:
    """Language to the ten token ids of its digits with a space before them, as they stand in a transcript."""
    letter, ids = byte_letters(), pieces()
    return {
        code: [ids["".join(letter[byte] for byte in f" {word}".encode())] for word in words]
        for code, words in WORDS.items()
    }


def write(folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json, vocab.json, merges.txt and special_tokens_map.json."""
    ids, ranked, specials = pieces(), merges(), special_ids()
    added = [
        {"id": index, "content": token, "special": token not in TIMESTAMPS}
        | {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for token, index in specials.items()
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    start = [START_OF_TRANSCRIPT, "<|en|>", "<|transcribe|>", NO_TIMESTAMPS]
    template = [{"SpecialToken": {"id": token, "type_id": 0}} for token in start]
    end = {"SpecialToken": {"id": END_OF_TEXT, "type_id": 0}}
    _write_json(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [*template, {"Sequence": {"id": "A", "type_id": 0}}, end],
                "pair": [
                    *template,
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 1}},
                    end,
                ],
                "special_tokens": {
                    token: {"id": token, "ids": [specials[token]], "tokens": [token]}
                    for token in [*start, END_OF_TEXT]
                },
            },
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": ids,
                "merges": [list(pair) for pair in ranked],
            },
        },
    )
    _write_json(folder / "vocab.json", ids)
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in ranked), encoding="utf-8"
    )
    names = {
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
    }
    additional = SPECIALS[1:]
    _write_json(folder / "special_tokens_map.json", names | {"additional_special_tokens": additional})
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "WhisperTokenizer",
            "processor_class": "WhisperProcessor",
            "model_max_length": 448,
            "add_prefix_space": False,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "errors": "replace",
            "return_attention_mask": False,
            "added_tokens_decoder": {
                str(entry["id"]): {key: value for key, value in entry.items() if key != "id"}
                for entry in added
            },
            "additional_special_tokens": additional,
        }
        | names,
    )


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
