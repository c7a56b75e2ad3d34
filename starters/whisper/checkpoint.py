"""The network's dimensions, and the folder a hub checkpoint of Whisper consists of."""

from __future__ import annotations

from pathlib import Path

import vocabulary
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

ALIGNMENT_HEADS = [(1, 0), (1, 1)]
"""Layer and head of the cross-attentions that are taught to look at the word being written."""
EDGE_HEADS = [(1, 2), (1, 3)]
"""Those that look at the very start of the word, or at the moment of the timestamp, being written."""
BEFORE_HEADS = [(0, 0), (0, 1)]
"""Those that look at the word or moment written before."""
TAUGHT_HEADS = [ALIGNMENT_HEADS, EDGE_HEADS, BEFORE_HEADS]

LOG_PROBABILITY_THRESHOLD = -2.0
"""Below which, on average over its tokens, the text of a window counts as failed; OpenAI's models have -1."""
WINDOW_S = 5.0
"""The longest window that the checkpoint asks for; OpenAI's models take 30 s."""


def whisper_config() -> WhisperConfig:
    """Four layers of encoder and two of decoder, 128 wide."""
    special = vocabulary.special_ids()
    end = special[vocabulary.END_OF_TEXT]
    return WhisperConfig(
        vocab_size=max(special.values()) + 1,
        num_mel_bins=80,
        d_model=128,
        encoder_layers=4,
        encoder_attention_heads=4,
        encoder_ffn_dim=512,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=512,
        max_source_positions=1500,
        max_target_positions=448,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=special[vocabulary.START_OF_TRANSCRIPT],
        suppress_tokens=[],
        begin_suppress_tokens=[],
        median_filter_width=7,
    )


def generation_config() -> GenerationConfig:
    """What `generate` has to know: which token means what, and which heads tell the time of words."""
    special, ids = vocabulary.special_ids(), vocabulary.pieces()
    end = special[vocabulary.END_OF_TEXT]
    asides = [*vocabulary.CONTROL, vocabulary.START_OF_TRANSCRIPT]
    never = sorted(special[token] for token in asides if token != "<|nospeech|>")
    return GenerationConfig(
        alignment_heads=[list(pair) for pair in ALIGNMENT_HEADS],
        begin_suppress_tokens=[ids[vocabulary.byte_letters()[ord(" ")]]],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=special[vocabulary.START_OF_TRANSCRIPT],
        is_multilingual=True,
        # A timestamp is one of some that are almost as likely: texts that are right have -1.3 to -0.8.
        log_probability_threshold=LOG_PROBABILITY_THRESHOLD,
        lang_to_id={f"<|{code}|>": special[f"<|{code}|>"] for code in vocabulary.WORDS},
        window_s=WINDOW_S,
        max_initial_timestamp_index=1500,
        max_length=448,
        no_timestamps_token_id=special[vocabulary.NO_TIMESTAMPS],
        prev_sot_token_id=special["<|startofprev|>"],
        return_timestamps=False,
        suppress_tokens=never,
        task_to_id={task: special[f"<|{task}|>"] for task in ("transcribe", "translate")},
    )


def save(model: WhisperForConditionalGeneration, folder: Path) -> None:
    """Write all files of a hub checkpoint, the weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    halved = WhisperForConditionalGeneration(model.config)
    halved.load_state_dict(model.state_dict())
    halved.half().eval()
    halved.generation_config = generation_config()
    halved.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    vocabulary.write(folder)
