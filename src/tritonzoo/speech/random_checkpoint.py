"""Whisper checkpoints of published sizes with random weights: they say nothing, but compute everything.

Tests and benchmarks run on them where the trained ones cannot be had. Folder and vocabulary are laid out as
on the hub, so that anything that reads a Whisper checkpoint reads these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

Heads = tuple[tuple[int, int], ...]

_PIECES = 50_257  # what the multilingual vocabulary holds before its special tokens
_LANGUAGES = list(LANGUAGES)[:99]  # Cantonese came with large-v3
_SUPPRESSED = (1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93)
_TIMESTAMPS = [f"<|{index * 0.02:.2f}|>" for index in range(1501)]


@dataclass(frozen=True)
class Size:
    """A model's dimensions and the cross-attention heads that follow the speech, as (layer, head)."""

    width: int
    layers: int  # of encoder and decoder each
    heads: int
    alignment_heads: Heads


SIZES = {
    "toy": Size(32, 2, 4, ((1, 0), (0, 2))),
    "tiny": Size(384, 4, 6, ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5))),
    "base": Size(512, 6, 8, ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6))),
    "small": Size(
        768, 12, 12,
        ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5)),
    ),
}  # fmt: skip
"""Published sizes with their alignment heads, and a toy that computes in a millisecond."""


def write_random_checkpoint(folder: Path, size: str = "tiny", seed: int = 0, spread: float = 0.02) -> Path:
    """Write a checkpoint as the hub has them into `folder` and return that.

    Args:
        size: one of SIZES; each has the 51,865 tokens of the multilingual vocabulary.
        spread: standard deviation of the weights; 0.02 makes every token about equally likely, a larger one
            gives texts with a preference.
    """
    dimensions = SIZES[size]
    torch.manual_seed(seed)
    specials = _special_ids()
    end = specials["<|endoftext|>"]
    config = WhisperConfig(
        vocab_size=_PIECES + len(specials),
        d_model=dimensions.width,
        encoder_layers=dimensions.layers,
        decoder_layers=dimensions.layers,
        encoder_attention_heads=dimensions.heads,
        decoder_attention_heads=dimensions.heads,
        encoder_ffn_dim=4 * dimensions.width,
        decoder_ffn_dim=4 * dimensions.width,
        init_std=spread,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=specials["<|startoftranscript|>"],
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config).eval()
    model.generation_config = _generation_config(specials, dimensions.alignment_heads)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    _tokenizer(specials).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "WhisperTokenizer", "model_max_length": 448}), "utf-8"
    )
    return folder


def _special_ids() -> dict[str, int]:
    """Whisper's special tokens in its order, timestamps last."""
    tokens = [
        "<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in _LANGUAGES),
        "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
        "<|notimestamps|>", *_TIMESTAMPS,
    ]  # fmt: skip
    return {token: _PIECES + index for index, token in enumerate(tokens)}


def _generation_config(specials: dict[str, int], alignment_heads: Heads) -> GenerationConfig:
    end, controls = specials["<|endoftext|>"], ("translate", "transcribe", "startoflm", "startofprev")
    return GenerationConfig(
        alignment_heads=[list(head) for head in alignment_heads],
        begin_suppress_tokens=[220, end],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=specials["<|startoftranscript|>"],
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": specials[f"<|{code}|>"] for code in _LANGUAGES},
        max_initial_timestamp_index=50,
        max_length=448,
        no_timestamps_token_id=specials["<|notimestamps|>"],
        prev_sot_token_id=specials["<|startofprev|>"],
        return_timestamps=False,
        suppress_tokens=[
            *_SUPPRESSED, specials["<|startoftranscript|>"], *(specials[f"<|{name}|>"] for name in controls),
        ],
        task_to_id={task: specials[f"<|{task}|>"] for task in ("transcribe", "translate")},
    )  # fmt: skip


def _tokenizer(specials: dict[str, int]) -> Tokenizer:
    """A byte-level BPE of as many pieces as Whisper's: the 256 bytes, then pairs of them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet(), key=lambda letter: (ord(letter) >= 0x100, letter))
    pairs = [(left, right) for left in letters for right in letters][: _PIECES - len(letters)]
    vocabulary = {piece: index for index, piece in enumerate([*letters, *map("".join, pairs)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    timestamps = set(_TIMESTAMPS)
    tokenizer.add_tokens(
        [AddedToken(token, special=token not in timestamps, normalized=False) for token in specials]
    )
    return tokenizer
