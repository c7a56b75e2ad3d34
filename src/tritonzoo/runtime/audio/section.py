"""What a reader gives: pieces of sound at the rate of the file, already one channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.errors import InvalidInput

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000  # of all sound in this tree once it is read
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 768_000  # below is no speech, above no converter
LOUDEST = 16.0  # 24 dB above full scale; beyond, somebody sent 16-bit integers as floats
READ_VALUES = 262_144  # samples times channels that a reader holds at a time: 1 MiB


@dataclass(frozen=True)
class Section:
    """Consecutive samples of one channel, 1 is full scale."""

    rate_hz: int
    samples: Samples


def mono(frames: NDArray[Any]) -> Samples:
    """The mean of the channels: (frames, channels) to (frames,)."""
    total = frames[:, 0].astype(np.float32)
    # Channel by channel: NumPy's mean over so short an axis takes four times as long, and a matrix product
    # wakes the threads of BLAS.
    for channel in range(1, frames.shape[1]):
        total += frames[:, channel]
    if frames.shape[1] > 1:
        total *= np.float32(1 / frames.shape[1])
    return total


def checked_rate(rate_hz: int, kind: str) -> int:
    """The rate, if it is one of sound.

    Raises:
        InvalidInput: it is 0, or so low or high that the file must be damaged.
    """
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise InvalidInput(
            f"audio is {kind} that says it has {rate_hz} samples a second; {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ} are read, so its header is damaged or it should be resampled"
        )
    return rate_hz


def require_sound(name: str, samples: Samples, start_s: float, rate_hz: int) -> None:
    """Refuse what is no sound; `start_s` is where `samples` begin in what the caller called `name`.

    Raises:
        InvalidInput: a sample is NaN, infinite, or so loud that it must be an integer's value.
    """
    sound = np.abs(samples) <= LOUDEST  # false for NaN too
    if sound.all():
        return
    place = int(np.argmin(sound))
    value, place_s = float(samples[place]), start_s + place / rate_hz
    if np.isfinite(value):
        raise InvalidInput(
            f"{name} reaches {value:g} at {place_s:.3f} s, where 1 is full scale; divide 16-bit integers by"
            " 32768"
        )
    raise InvalidInput(f"{name} holds {value:g} at {place_s:.3f} s; send finite numbers")
