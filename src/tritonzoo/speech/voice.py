"""A voice made of nothing but numbers: syllables, pauses and noise, for `samples(rng)` of speech models.

No recording is needed, and none is as varied: pitch, vowels, loudness and the noise around them are drawn
anew. A vowel is harmonics of a gliding pitch under three formants (Fant, Acoustic Theory of Speech
Production, 1960).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Waveform = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ

_HARMONICS = 24
_FORMANTS_HZ = ((250, 850), (700, 2500), (2200, 3300))  # lowest and highest of the first, second and third
_BANDWIDTHS_HZ = (80, 110, 160)
_WINDOWS_S = ((30.0,), (11.0, 0.0, 2.5))  # batches of windows: how much of each is voice


def speech_windows(rng: np.random.Generator) -> Iterator[dict[str, Waveform]]:
    """Windows as Whisper takes them, `waveform` (windows, 480000): full, short, silent; zeros after that."""
    for lengths_s in _WINDOWS_S:
        windows = np.zeros((len(lengths_s), WINDOW_SAMPLES), np.float32)
        for window, length_s in zip(windows, lengths_s, strict=True):
            if length_s:
                spoken = voice(rng, length_s)
                window[: len(spoken)] = spoken
        yield {"waveform": windows}


def voice(rng: np.random.Generator, length_s: float) -> Waveform:
    """One speaker's syllables with pauses in between and noise below, 16 kHz, within [-1, 1]."""
    samples = round(length_s * SAMPLE_RATE_HZ)
    pitch_hz, spoken = rng.uniform(90, 240), np.zeros(samples, np.float32)
    start = 0
    while start < samples:
        syllable = _syllable(rng, pitch_hz)[: samples - start]
        spoken[start : start + len(syllable)] = syllable
        pause_s = rng.uniform(0.3, 1.5) if rng.random() < 0.15 else rng.uniform(0.0, 0.12)
        start += len(syllable) + round(pause_s * SAMPLE_RATE_HZ)
    spoken *= rng.uniform(0.05, 0.8) / max(float(np.abs(spoken).max()), 1e-6)
    noise = rng.standard_normal(samples).astype(np.float32) * 10 ** rng.uniform(-4, -2)
    return np.clip(spoken + noise, -1, 1)


def _syllable(rng: np.random.Generator, pitch_hz: float) -> Waveform:
    """A consonant of noise, perhaps, and a vowel."""
    samples = round(rng.uniform(0.12, 0.35) * SAMPLE_RATE_HZ)
    glide = np.linspace(rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.1), samples)
    phase = 2 * np.pi * np.cumsum(pitch_hz * glide) / SAMPLE_RATE_HZ
    harmonics = np.arange(1, _HARMONICS + 1)
    gains = sum(
        1 / (1 + ((harmonics * pitch_hz - rng.uniform(*range_hz)) / bandwidth_hz) ** 2)
        for range_hz, bandwidth_hz in zip(_FORMANTS_HZ, _BANDWIDTHS_HZ, strict=True)
    )
    vowel = (gains / harmonics) @ np.sin(np.outer(harmonics, phase))
    vowel *= np.hanning(samples) ** 0.5
    consonant = np.zeros(0)
    if rng.random() < 0.6:
        consonant = rng.standard_normal(round(rng.uniform(0.03, 0.1) * SAMPLE_RATE_HZ))
        consonant = np.diff(consonant, prepend=0.0) * np.hanning(len(consonant)) * 0.1
    syllable: Waveform = np.concatenate([consonant, vowel]).astype(np.float32)
    return syllable * np.float32(rng.uniform(0.4, 1.0))
