"""Whisper's log-mel spectrogram as a module, so that it lies inside the encoder's graph.

Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022 (arXiv:2212.04356), section
2.2; the reference is transformers' `WhisperFeatureExtractor`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

SAMPLE_RATE_HZ = 16_000
WINDOW_S = 30
WINDOW_SAMPLES = WINDOW_S * SAMPLE_RATE_HZ
FFT_SAMPLES = 400
HOP_SAMPLES = 160
FREQUENCIES = FFT_SAMPLES // 2 + 1

_LEAST_POWER = 1e-10
_RANGE = 8.0  # in powers of ten: what lies further below the window's loudest number is cut off there


class LogMel(torch.nn.Module):
    """`waveform` (windows, samples at 16 kHz) to log-mel energies (windows, bands, frames of 10 ms).

    The short-time Fourier transform is one convolution with the sines and cosines of a Hann window: every
    runtime has that operator, few have an FFT that takes a batch.

    Args:
        mel_filters: (frequencies, bands), as `WhisperFeatureExtractor.mel_filters`.
    """

    basis: torch.Tensor
    filters: torch.Tensor

    def __init__(self, mel_filters: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(_fourier_basis()).float())
        self.register_buffer("filters", torch.from_numpy(np.ascontiguousarray(mel_filters.T)).float())

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        half = FFT_SAMPLES // 2
        padded = functional.pad(waveform.unsqueeze(1), (half, half), mode="reflect")
        # The last frame is centred on the window's end; Whisper leaves it out.
        spectrum = functional.conv1d(padded[..., :-HOP_SAMPLES], self.basis, stride=HOP_SAMPLES)
        real, imaginary = spectrum.split(FREQUENCIES, dim=1)  # (windows, frequencies, frames)
        energies = torch.matmul(self.filters, real * real + imaginary * imaginary)
        log_energies = energies.clamp(min=_LEAST_POWER).log10()
        loudest = log_energies.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_energies, loudest - _RANGE) + 4.0) / 4.0


def _fourier_basis() -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Cosines, then sines, under a periodic Hann window: (2 * frequencies, 1, samples)."""
    samples = np.arange(FFT_SAMPLES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * samples / FFT_SAMPLES)
    # The angle is reduced in whole numbers first: exact, where cos() of a large angle would not be.
    angles = 2 * np.pi * (np.outer(np.arange(FREQUENCIES), samples) % FFT_SAMPLES) / FFT_SAMPLES
    basis: np.ndarray[tuple[int, int, int], np.dtype[np.float64]]
    basis = (np.concatenate([np.cos(angles), np.sin(angles)]) * window)[:, None, :]
    return basis
