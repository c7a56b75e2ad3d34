"""Recordings with known words: digits of real people, in strings and in one long file, with noise."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "starters" / "whisper"))
from pieces import HELD_OUT, SAMPLE_RATE, Piece, read_recordings
from scoring import Timed

__all__ = ["HELD_OUT", "SAMPLE_RATE", "Recorded", "hour", "speakers", "string"]

WORDS = "zero one two three four five six seven eight nine".split()


@dataclass(frozen=True)
class Recorded:
    """A recording and what is said in it."""

    audio: NDArray[np.float32]
    said: list[Timed]

    def flac(self) -> bytes:
        """It as a file."""
        content = io.BytesIO()
        soundfile.write(content, np.clip(self.audio, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        return content.getvalue()

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE


def speakers(data: Path, indices: list[int]) -> dict[str, list[Piece]]:
    """The recordings of the given indices, by speaker."""
    chosen = [piece for piece in read_recordings(data) if piece.index in indices]
    if not chosen:
        raise SystemExit(f"{data} has no recordings with the indices {indices}")
    return {name: [p for p in chosen if p.speaker == name] for name in sorted({p.speaker for p in chosen})}


def string(rng: np.random.Generator, voice: list[Piece], noise_db: float | None) -> Recorded:
    """1 to 10 digits of one speaker, pauses of 0.1 to 1.5 s between them."""
    return _noisy(rng, _string(rng, voice), noise_db)


def hour(
    rng: np.random.Generator, voices: dict[str, list[Piece]], minutes: float, noise_db: float | None
) -> Recorded:
    """Strings of all speakers in turn, 1 to 4 s between them and now and then half a minute of nothing."""
    parts: list[NDArray[np.float32]] = []
    said: list[Timed] = []
    samples = 0
    names = sorted(voices)
    while samples < minutes * 60 * SAMPLE_RATE:
        one = _string(rng, voices[names[rng.integers(len(names))]])
        pause_s = rng.uniform(1, 4) if rng.random() < 0.97 else 30.0
        said += [Timed(word.word, word.start_s + samples / SAMPLE_RATE) for word in one.said]
        parts += [one.audio, np.zeros(round(pause_s * SAMPLE_RATE), np.float32)]
        samples += len(parts[-2]) + len(parts[-1])
    return _noisy(rng, Recorded(np.concatenate(parts), said), noise_db)


def _string(rng: np.random.Generator, voice: list[Piece]) -> Recorded:
    parts: list[NDArray[np.float32]] = []
    said: list[Timed] = []
    samples = 0
    for number in range(rng.integers(1, 11)):
        pause_s = rng.uniform(0.2, 1.0) if number == 0 else rng.uniform(0.1, 1.5)
        piece = voice[rng.integers(len(voice))]
        parts += [np.zeros(round(pause_s * SAMPLE_RATE), np.float32), 0.5 * piece.audio]
        samples += len(parts[-2])
        said.append(Timed(WORDS[piece.digit or 0], samples / SAMPLE_RATE + piece.start_s))
        samples += len(parts[-1])
    parts.append(np.zeros(round(rng.uniform(0.2, 1.0) * SAMPLE_RATE), np.float32))
    return Recorded(np.concatenate(parts), said)


def _noisy(rng: np.random.Generator, clean: Recorded, noise_db: float | None) -> Recorded:
    """White noise `noise_db` below the power of the speech."""
    if noise_db is None:
        return clean
    spoken = clean.audio[clean.audio != 0]
    level = np.sqrt(np.mean(spoken**2) * 10 ** (-noise_db / 10))
    noise = level * rng.standard_normal(len(clean.audio), dtype=np.float32)
    return Recorded(clean.audio + noise, clean.said)
