"""The models that a transcription calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.transcription.decoded import Decoded
from tritonzoo.runtime.transcription.options import Advice
from tritonzoo.runtime.transcription.windows import Window

CallValue = str | int | bool  # what a parameter of a call may be


class Call(Protocol):
    """Calls a model of this server: `ConcurrentModel.call`."""

    def __call__(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        parameters: Mapping[str, CallValue] | None = None,
        pass_on_refusals: bool = False,
    ) -> dict[str, Array]: ...


class Members:
    """silero_vad, whisper_encoder and whisper_decoder, one window of one recording at a time.

    Triton's batchers merge the calls of all threads, whichever recordings they are for.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def hear(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Speech probabilities of a stretch of a recording; see silero_vad."""
        return self._call("silero_vad", inputs)

    def encode(self, window: Window) -> NDArray[np.float32]:
        """The encoder's states, shape (1, positions, width)."""
        return self._call("whisper_encoder", {"waveform": window.padded()[None]})["encoded"]

    def decode(
        self, window: Window, encoded: NDArray[np.float32], parameters: Mapping[str, CallValue]
    ) -> Decoded:
        """What is said in a window; a parameter that the decoder refuses is the caller's mistake."""
        answer = self._call(
            "whisper_decoder",
            {"encoded": encoded},
            parameters={"duration_s": f"{window.duration_s:.4f}", **parameters},
            pass_on_refusals=True,
        )
        return Decoded.from_answer(answer)

    @cached_property
    def advice(self) -> Advice:
        """What the decoder's checkpoint advises."""
        nothing = np.zeros((1, 1, 1), dtype=np.float32)
        answer = self._call("whisper_decoder", {"encoded": nothing}, parameters={"describe": True})
        return Advice(**json.loads(answer["text"].item()))

    def cancel(self, job: str) -> None:
        """End every window of a job in the decoder, waiting or at work; returns when that is done."""
        nothing = np.zeros((1, 1, 1), dtype=np.float32)
        self._call("whisper_decoder", {"encoded": nothing}, parameters={"cancel_job": job})
