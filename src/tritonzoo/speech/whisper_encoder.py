"""Whisper's encoder from samples on: the log-mel spectrogram is part of the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import WhisperFeatureExtractor

from tritonzoo.speech.log_mel import LogMel

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration


class WaveformEncoder(torch.nn.Module):
    """`waveform` (windows, 480000) to `encoded` (windows, 1500 positions of 20 ms, width)."""

    def __init__(self, checkpoint: WhisperForConditionalGeneration) -> None:
        super().__init__()
        extractor = WhisperFeatureExtractor(feature_size=checkpoint.config.num_mel_bins)
        self.log_mel = LogMel(extractor.mel_filters)
        self.encoder = checkpoint.get_encoder()

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        encoded: torch.Tensor = self.encoder(self.log_mel(waveform)).last_hidden_state
        return encoded
