"""Run a checkpoint with transformers' own `generate`: words, their starts, and whether anything is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scoring import Timed
from transformers import WhisperForConditionalGeneration, WhisperProcessor

BATCH = 8


@dataclass(frozen=True)
class Heard:
    """What was written for one window of up to 30 s."""

    words: list[Timed]
    no_speech_probability: float


class Listener:
    """A checkpoint folder as a function from windows to words."""

    def __init__(self, folder: Path) -> None:
        self.processor = WhisperProcessor.from_pretrained(folder)
        self.model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.special = self.processor.tokenizer.convert_tokens_to_ids
        self.first_timestamp = self.special("<|0.00|>")

    def __call__(
        self, windows: list[NDArray[np.float32]], timestamps: bool, language: str = "en"
    ) -> list[Heard]:
        heard = []
        for first in range(0, len(windows), BATCH):
            heard += self._batch(windows[first : first + BATCH], timestamps, language)
        return heard

    @torch.no_grad()
    def _batch(self, windows: list[NDArray[np.float32]], timestamps: bool, language: str) -> list[Heard]:
        features = self.processor(
            windows, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
        )
        start = torch.full((len(windows), 1), self.model.generation_config.decoder_start_token_id)
        first = self.model(features.input_features, decoder_input_ids=start).logits[:, 0].softmax(dim=-1)
        silent = first[:, self.special("<|nospeech|>")].tolist()
        answer = self.model.generate(
            features.input_features,
            attention_mask=features.attention_mask,
            language=language,
            task="transcribe",
            return_timestamps=timestamps,
            return_token_timestamps=True,
        )
        rows = zip(answer["sequences"].tolist(), answer["token_timestamps"].tolist(), silent, strict=True)
        return [Heard(self._words(tokens, times_s), probability) for tokens, times_s, probability in rows]

    def _words(self, tokens: list[int], times_s: list[float]) -> list[Timed]:
        """Digits among `tokens`; a word starts where the one before it ends, the first with its segment.

        transformers gives each token the time of its end. The alignment has no row for what is before the
        first token, so that the first word of a window starts with its segment, if that has a timestamp.
        """
        words: list[Timed] = []
        pieces = self.processor.tokenizer.convert_ids_to_tokens(tokens)
        for index, piece in enumerate(pieces):
            if piece.startswith("<|") or not piece.strip("Ġ"):
                continue
            start_s = times_s[index - 1] if index else 0.0
            if not words and index and tokens[index - 1] >= self.first_timestamp:
                start_s = (tokens[index - 1] - self.first_timestamp) * 0.02
            word = self.processor.tokenizer.convert_tokens_to_string([piece]).strip()
            words.append(Timed(word, start_s))
        return words
