"""One spoken word each: recordings of the Free Spoken Digit Dataset, and where in them the speech is."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
HELD_OUT = (5, 6)
"""Indices of the recordings, of every speaker and digit, that are never trained on."""

SILENCE_BELOW_PEAK_DB = 36.0
ENERGY_FRAME_S = 0.01


@dataclass(frozen=True)
class Piece:
    """A word as recorded or synthesised."""

    audio: NDArray[np.float32]  # 16 kHz, peak about 1
    speaker: str
    language: str
    digit: int | None  # None for a word that is no digit
    index: int  # of the recording; -1 if synthesised
    start_s: float  # where in `audio` the speech begins
    end_s: float


def piece(
    audio: NDArray[np.float32], speaker: str, language: str, digit: int | None, index: int = -1
) -> Piece:
    """A piece of `audio` (16 kHz), scaled to a peak of 1, with its speech found by energy."""
    audio = (audio / max(float(np.abs(audio).max()), 1e-6)).astype(np.float32)
    start_s, end_s = speech_bounds(audio)
    return Piece(audio, speaker, language, digit, index, start_s, end_s)


def speech_bounds(audio: NDArray[np.float32]) -> tuple[float, float]:
    """Start and end in seconds of what is within 36 dB of the loudest 10 ms of `audio` (16 kHz)."""
    frame_samples = round(ENERGY_FRAME_S * SAMPLE_RATE)
    count = len(audio) // frame_samples
    if count == 0:
        return 0.0, len(audio) / SAMPLE_RATE
    power = (audio[: count * frame_samples].reshape(count, frame_samples).astype(np.float64) ** 2).mean(
        axis=1
    )
    loud = np.flatnonzero(power >= power.max() * 10 ** (-SILENCE_BELOW_PEAK_DB / 10))
    return float(loud[0]) * ENERGY_FRAME_S, float(loud[-1] + 1) * ENERGY_FRAME_S


def read_recordings(folder: Path) -> list[Piece]:
    """All recordings `<digit>_<speaker>_<index>.wav` of a folder, mono, 16 bits, of any rate."""
    paths = sorted(folder.glob("[0-9]_*_*.wav"))
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no recordings like 7_theo_12.wav; they are the folder `recordings` of "
            "github.com/Jakobovski/free-spoken-digit-dataset"
        )
    pieces = []
    for path in paths:
        digit, speaker, index = path.stem.split("_")
        pieces.append(piece(read_wave(path), speaker, "en", int(digit), int(index)))
    return pieces


def read_wave(path: Path) -> NDArray[np.float32]:
    """Samples of a mono 16-bit WAV file at 16 kHz."""
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ValueError(f"{path}: want mono with 16 bits a sample, as the dataset has it")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return resampled(samples.astype(np.float32) / 32768, file.getframerate())


def resampled(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """`audio` at 16 kHz, by cutting its spectrum off or lengthening it with zeros."""
    if rate_hz == SAMPLE_RATE:
        return audio
    padded = np.pad(audio, rate_hz // 20)  # the transform wraps around: keep the ends apart
    spectrum = np.fft.rfft(padded)
    length = round(len(padded) * SAMPLE_RATE / rate_hz)
    wanted = np.zeros(length // 2 + 1, dtype=complex)
    kept = min(len(wanted), len(spectrum))
    wanted[:kept] = spectrum[:kept]
    back = np.fft.irfft(wanted, length) * (length / len(padded))
    margin = SAMPLE_RATE // 20
    return back[margin : margin + round(len(audio) * SAMPLE_RATE / rate_hz)].astype(np.float32)


def split(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Those to train on, and those held out."""
    return (
        [piece for piece in pieces if piece.index not in HELD_OUT],
        [piece for piece in pieces if piece.index in HELD_OUT],
    )
