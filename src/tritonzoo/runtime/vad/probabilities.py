"""Sound in pieces of any length becomes speech probabilities, through a model that sees whole windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.audio.section import Samples

WINDOW_SAMPLES = 512  # what one probability is about: 32 ms
CONTEXT_SAMPLES = 64  # of the window before, which the network also sees
STATE_SHAPE = (2, 1, 128)  # hidden and cell state of one layer of 128 units

Call = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]


class SpeechProbabilities:
    """One recording's probabilities; all that `silero_vad` must know of its past is kept here.

    `call` asks silero_vad: from `waveform`, `context` and `state` to `speech_probability`, `next_context`
    and `next_state`.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._state = np.zeros(STATE_SHAPE, np.float32)
        self._rest = np.empty(0, np.float32)
        self.samples = 0  # seen so far

    def feed(self, samples: Samples, *, last: bool = False) -> NDArray[np.float32]:
        """The probabilities of the windows that these samples complete (perhaps none).

        With `last` the recording ends here, and its last window is filled up with silence.
        """
        self.samples += samples.size
        known = np.concatenate([self._rest, samples]) if self._rest.size else samples
        if last:
            known = np.pad(known, (0, -known.size % WINDOW_SAMPLES))
        whole = known.size // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._rest = known[whole:].copy()
        return self._of(known[:whole])

    def finish(self) -> NDArray[np.float32]:
        """The probability of the last window, where samples are left."""
        return self.feed(np.empty(0, np.float32), last=True)

    def _of(self, windows: Samples) -> NDArray[np.float32]:
        if not windows.size:
            return windows
        answer = self._call({"waveform": windows, "context": self._context, "state": self._state})
        self._context, self._state = answer["next_context"].copy(), answer["next_state"].copy()
        return answer["speech_probability"]
