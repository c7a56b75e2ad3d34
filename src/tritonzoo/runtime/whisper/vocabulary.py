"""Whisper's vocabulary: text, the special tokens that steer it, and the timestamps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.whisper.options import TASKS, DecodingOptions

TIMESTAMP_STEP_S = 0.02

_NEEDED = ("eos_token_id", "decoder_start_token_id", "no_timestamps_token_id")


@dataclass(frozen=True)
class Vocabulary:
    """Token ids by what they mean, whatever the checkpoint's size and languages."""

    tokenizer: Tokenizer
    text_bytes: Mapping[int, bytes]  # of every text token
    end: int  # <|endoftext|>; every id below is text
    start: int  # <|startoftranscript|>
    previous: int | None  # <|startofprev|>, before a prompt
    no_speech: int
    no_timestamps: int
    languages: Mapping[str, int]  # by code; empty for an English-only checkpoint
    tasks: Mapping[str, int]
    suppressed: tuple[int, ...]
    suppressed_at_begin: tuple[int, ...]
    max_initial_timestamp_index: int | None
    positions: int  # tokens of prompt and answer together
    log_probability_threshold: float | None = -1.0  # below which an attempt at a window counts as failed
    window_s: float | None = None  # the longest window that the checkpoint advises for; None: any

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Read tokenizer.json, generation_config.json and config.json. Raises ConfigurationError."""
        for name in ("tokenizer.json", "generation_config.json", "config.json"):
            if not (folder / name).is_file():
                raise ConfigurationError(f"{folder / name} is missing; `tritonzoo pull` brings it")
        generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        missing = [name for name in _NEEDED if generation.get(name) is None]
        if missing:
            raise ConfigurationError(
                f"generation_config.json lacks {', '.join(missing)}; take it from a current revision of the"
                " checkpoint, whose file has them"
            )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # A prompt that spells "<|endoftext|>" is text, not an order.
        tokenizer.encode_special_tokens = True
        is_multilingual = generation.get("is_multilingual", "lang_to_id" in generation)
        return cls(
            tokenizer=tokenizer,
            text_bytes=_text_bytes(tokenizer),
            end=_first(generation["eos_token_id"]),
            start=generation["decoder_start_token_id"],
            previous=generation.get("prev_sot_token_id", tokenizer.token_to_id("<|startofprev|>")),
            # So it is in every Whisper vocabulary, under two names (<|nocaptions|>, <|nospeech|>).
            no_speech=generation["no_timestamps_token_id"] - 1,
            no_timestamps=generation["no_timestamps_token_id"],
            languages=_codes(generation["lang_to_id"]) if is_multilingual else {},
            tasks=generation.get("task_to_id", {}) if is_multilingual else {},
            suppressed=tuple(generation.get("suppress_tokens") or ()),
            suppressed_at_begin=tuple(generation.get("begin_suppress_tokens") or ()),
            max_initial_timestamp_index=generation.get("max_initial_timestamp_index"),
            positions=config["max_target_positions"],
            log_probability_threshold=generation.get("log_probability_threshold", -1.0),
            window_s=generation.get("window_s"),
        )

    @property
    def first_timestamp(self) -> int:
        """<|0.00|>; every id from here on is a time."""
        return self.no_timestamps + 1

    @property
    def max_prompt_tokens(self) -> int:
        """How many tokens of the text before are read, as in openai/whisper: half of the positions."""
        return self.positions // 2 - 1

    @property
    def control_tokens(self) -> tuple[int, ...]:
        """Specials that never belong into an answer, which openai/whisper suppresses with any list."""
        start_of_lm = self.tokenizer.token_to_id("<|startoflm|>")
        found = (self.start, self.previous, self.no_speech, start_of_lm, *self.tasks.values())
        return tuple(token for token in found if token is not None)

    def seconds(self, timestamp: int) -> float:
        """The time that a timestamp token stands for."""
        return (timestamp - self.first_timestamp) * TIMESTAMP_STEP_S

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without specials and timestamps; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self.text_bytes[token] for token in tokens if token < self.end).decode(
            errors="replace"
        )

    def language_token(self, code: str) -> int:
        """The token of a language. Raises InvalidInput for one that the checkpoint does not know."""
        if code not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise InvalidInput(
                f"parameter language is {code!r}; it must be one of {known}, or empty to detect it"
            )
        return self.languages[code]

    def before_start(self, options: DecodingOptions) -> list[int]:
        """What is fed before <|startoftranscript|>: the prompt's last tokens, or nothing."""
        tokens = list(options.prompt_tokens)
        if options.prompt.strip():
            encoded = self.tokenizer.encode(" " + options.prompt.strip(), add_special_tokens=False)
            tokens = list(encoded.ids)
        if not tokens:
            return []
        if self.previous is None:
            raise InvalidInput(
                "this checkpoint has no <|startofprev|>, so it takes no prompt; leave prompt out"
            )
        size = self.tokenizer.get_vocab_size()
        if not all(0 <= token < size for token in tokens):
            raise InvalidInput(
                f"prompt_tokens holds an id outside the vocabulary, which has ids 0 to {size - 1}"
            )
        return [self.previous, *tokens[-self.max_prompt_tokens :]]

    def after_start(self, options: DecodingOptions, language_token: int | None) -> list[int]:
        """What is fed after <|startoftranscript|>: language, task and whether timestamps are wanted."""
        tokens = []
        if language_token is not None:
            tokens += [language_token, self.tasks[options.task]]
        return tokens if options.timestamps else [*tokens, self.no_timestamps]

    def check(self, options: DecodingOptions) -> None:
        """Raise InvalidInput for what this checkpoint cannot do."""
        if self.languages:
            if options.language:
                self.language_token(options.language)
            return
        if options.language not in ("", "en") or options.task != TASKS[0]:
            raise InvalidInput(
                "this checkpoint is English-only: leave language and task out, or serve a multilingual one"
            )


def _text_bytes(tokenizer: Tokenizer) -> dict[int, bytes]:
    """Whisper's vocabularies spell tokens byte by byte, in characters that print."""
    to_byte = {character: byte for byte, character in _byte_characters().items()}
    try:
        return {
            token: bytes([to_byte[character] for character in spelling])
            for spelling, token in tokenizer.get_vocab(with_added_tokens=False).items()
        }
    except KeyError as error:
        raise ConfigurationError(
            f"tokenizer.json holds a token with the character {error}, so it is not the byte-level vocabulary"
            " of a Whisper checkpoint"
        ) from error


def _byte_characters() -> dict[int, str]:
    """The character that stands for each byte in a byte-level vocabulary (GPT-2).

    Bytes that print stand for themselves, the others, in order, for the characters from U+0100 on.
    """
    printing = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in set(printing)]
    return {byte: chr(byte) for byte in printing} | {
        byte: chr(256 + rank) for rank, byte in enumerate(others)
    }


def _codes(ids: Mapping[str, int]) -> dict[str, int]:
    """<|en|> as en."""
    return {name.strip("<|>"): token for name, token in ids.items()}


def _first(ids: Any) -> int:
    """Some configurations list one id."""
    return int(ids[0] if isinstance(ids, list) else ids)
