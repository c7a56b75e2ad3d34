"""What lies between a mouth and a file: room, microphone, telephone band, noise of many kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pieces import SAMPLE_RATE, Piece

Audio = NDArray[np.float32]
NOISE_S = 30


def coloured_noise(rng: np.random.Generator, samples: int, slope: float) -> Audio:
    """Noise of power 1 whose power falls with frequency as f^-slope: 0 white, 1 pink, 2 brown."""
    spectrum = rng.standard_normal(samples // 2 + 1) + 1j * rng.standard_normal(samples // 2 + 1)
    frequency = np.arange(1, len(spectrum) + 1)
    noise = np.fft.irfft(spectrum * frequency ** (-slope / 2), samples)
    return (noise / noise.std()).astype(np.float32)


def hum(rng: np.random.Generator, samples: int) -> Audio:
    """Mains or a motor: a fundamental of 45 to 400 Hz and its harmonics, a little unsteady, of power 1."""
    time_s = np.arange(samples) / SAMPLE_RATE
    fundamental_hz = np.exp(rng.uniform(np.log(45), np.log(400)))
    wobble = 0.01 * np.sin(2 * np.pi * rng.uniform(0.1, 2) * time_s)
    sound = sum(
        rng.uniform() / harmonic * np.sin(2 * np.pi * harmonic * fundamental_hz * (time_s + wobble / 10))
        for harmonic in range(1, 9)
    )
    return (sound / max(float(np.std(sound)), 1e-6)).astype(np.float32)


def melody(rng: np.random.Generator, samples: int) -> Audio:
    """Notes that follow one another, some together, as an instrument might play them, of power 1."""
    sound = np.zeros(samples, dtype=np.float32)
    start = 0
    while start < samples:
        length = min(samples - start, int(rng.uniform(0.08, 0.8) * SAMPLE_RATE))
        time_s = np.arange(length) / SAMPLE_RATE
        for _ in range(rng.integers(1, 4)):
            pitch_hz = 110 * 2 ** (rng.integers(0, 40) / 12)
            decay = np.exp(-time_s * rng.uniform(0, 8))
            for harmonic in range(1, 5):
                tone = np.sin(2 * np.pi * harmonic * pitch_hz * time_s + rng.uniform(0, 6))
                sound[start : start + length] += (tone * decay * rng.uniform() / harmonic**1.5).astype(
                    np.float32
                )
        start += length
    return sound / max(float(sound.std()), 1e-6)


def clicks(rng: np.random.Generator, samples: int) -> Audio:
    """Knocks, keys, claps: short bursts of noise of any colour, of power 1."""
    sound = np.zeros(samples, dtype=np.float32)
    for _ in range(max(1, int(rng.uniform(0.3, 6) * samples / SAMPLE_RATE))):
        length = int(rng.uniform(0.005, 0.12) * SAMPLE_RATE)
        start = int(rng.integers(0, max(1, samples - length)))
        burst = coloured_noise(rng, length + 2, rng.uniform(0, 2))[:length]
        sound[start : start + length] += (
            rng.uniform(0.1, 1) * burst * np.exp(-np.arange(length) / (length / 4))
        )[: samples - start].astype(np.float32)
    return sound / max(float(sound.std()), 1e-6)


def babble(rng: np.random.Generator, samples: int, others: list[Piece]) -> Audio:
    """Several people who say words that are no digits, at once, of power 1."""
    sound = np.zeros(samples, dtype=np.float32)
    for _ in range(rng.integers(3, 8)):
        start = 0
        while start < samples:
            word = others[rng.integers(len(others))].audio[: samples - start]
            sound[start : start + len(word)] += word
            start += len(word) + int(rng.uniform(0, 0.2) * SAMPLE_RATE)
    return sound / max(float(sound.std()), 1e-6)


class Noises:
    """A stock of 30 s noises to cut from."""

    def __init__(self, rng: np.random.Generator, others: list[Piece]) -> None:
        samples = NOISE_S * SAMPLE_RATE
        self.stock = [coloured_noise(rng, samples, slope) for slope in (0, 0, 0, 0.5, 1, 1, 1.5, 2)]
        self.stock += [hum(rng, samples) for _ in range(6)]
        self.stock += [babble(rng, samples, others) for _ in range(6)]
        self.stock += [melody(rng, samples) for _ in range(6)]
        self.stock += [clicks(rng, samples) for _ in range(4)]

    def cut(self, rng: np.random.Generator, samples: int) -> Audio:
        """`samples` samples of a noise of power 1; half of the time white or coloured."""
        chosen = self.stock[rng.integers(8) if rng.uniform() < 0.5 else rng.integers(len(self.stock))]
        start = int(rng.integers(0, len(chosen) - samples + 1))
        return chosen[start : start + samples]


def filtered(rng: np.random.Generator, audio: Audio) -> Audio:
    """`audio` through a random room, equaliser and band limit, each in some of the cases."""
    size = len(audio) + SAMPLE_RATE // 2
    length = 1 << (size - 1).bit_length()
    frequency_hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    response = np.ones(len(frequency_hz), dtype=complex)
    if rng.uniform() < 0.6:
        knots_hz = np.array([0, 100, 300, 800, 1600, 3000, 5000, 8000])
        response *= 10 ** (np.interp(frequency_hz, knots_hz, rng.normal(0, 4, len(knots_hz))) / 20)
    if rng.uniform() < 0.4:
        high_hz = rng.uniform(3000, 7500)
        response /= np.sqrt(1 + (frequency_hz / high_hz) ** (2 * rng.integers(4, 20)))
    if rng.uniform() < 0.2:
        low_hz = rng.uniform(60, 400)
        response /= np.sqrt(1 + (low_hz / np.maximum(frequency_hz, 1)) ** 4)
    if rng.uniform() < 0.35:
        response *= np.fft.rfft(_room(rng), length)
    return np.fft.irfft(np.fft.rfft(audio, length) * response, length)[: len(audio)].astype(np.float32)


def _room(rng: np.random.Generator) -> Audio:
    """An impulse response: the direct sound, then noise that dies away by 60 dB within 0.1 to 0.6 s."""
    decay_s = rng.uniform(0.1, 0.6)
    time_s = np.arange(int(min(decay_s, 0.45) * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time_s)) * np.exp(-6.9 * time_s / decay_s)
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail *= rng.uniform(0.1, 0.7) / max(float(np.sqrt((tail**2).sum())), 1e-6)
    tail[0] = 1
    return tail.astype(np.float32)
