"""Sound at any rate becomes sound at one rate, piece by piece, exact in length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tritonzoo.runtime.audio.section import Samples, Section


class Resampler:
    """Sound that arrives in pieces at one rate, at another.

    n samples become n * to_hz / from_hz, rounded to the nearest, once `finish` was called. The filter is
    that of libsoxr at its quality "HQ": 20 bits, flat up to 91 % of the lower Nyquist frequency.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream: Any = None
        if from_hz != to_hz:
            import soxr  # by who needs it, as in sndfile.py

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, quality="HQ")

    def push(self, samples: Samples) -> Samples:
        """What can be said once `samples` are known: some of the sound, perhaps none yet."""
        return samples if self._stream is None else self._resampled(samples)

    def finish(self) -> Samples:
        """The rest, after the last sample."""
        nothing = np.empty(0, np.float32)
        return nothing if self._stream is None else self._resampled(nothing, last=True)

    def _resampled(self, samples: Samples, *, last: bool = False) -> Samples:
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled


def resampled(sections: Iterable[Section], to_hz: int) -> Iterator[Samples]:
    """The sections' sound at one rate. A file may change its rate on the way; each stretch is by itself."""
    resampler, rate_hz = None, 0
    for section in sections:
        if resampler is None or section.rate_hz != rate_hz:
            if resampler is not None:
                yield resampler.finish()
            resampler, rate_hz = Resampler(section.rate_hz, to_hz), section.rate_hz
        yield resampler.push(section.samples)
    if resampler is not None:
        yield resampler.finish()
