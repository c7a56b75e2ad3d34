"""When a row of speech probabilities counts as speech."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import RequestParameters


@dataclass(frozen=True)
class SegmentationOptions:
    """The parameters of silero-vad's `get_speech_timestamps`, with its names, defaults and meanings.

    What each means stands where it is read, in `_NUMBERS` and `read`; a `neg_threshold` of None is 0.15 below
    `threshold`.
    """

    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: float = 250
    min_silence_duration_ms: float = 100
    speech_pad_ms: float = 30
    max_speech_duration_s: float = math.inf
    min_silence_at_max_speech_ms: float = 98
    use_max_poss_sil_at_max_speech: bool = True

    def __post_init__(self) -> None:
        for name, (least, most, _) in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:  # false for NaN too
                raise InvalidInput(f"{name} is {value}; it must be from {least:g} to {most:g}")
        if self.neg_threshold is not None and self.neg_threshold > self.threshold:
            raise InvalidInput(
                f"neg_threshold is {self.neg_threshold:g} and threshold {self.threshold:g}; speech cannot end"
                " above where it begins, so make neg_threshold the lower one"
            )

    @property
    def silence_threshold(self) -> float:
        """Probabilities below it are silence once there was speech."""
        return max(self.threshold - 0.15, 0.01) if self.neg_threshold is None else self.neg_threshold

    @classmethod
    def read(cls, parameters: RequestParameters) -> SegmentationOptions:
        """From a request's parameters, those not sent as in `SegmentationOptions()`.

        Raises:
            InvalidInput: one is no number, or out of its range.
        """
        numbers = {
            name: _read(parameters, name, getattr(cls, name), least, most, means)
            for name, (least, most, means) in _NUMBERS.items()
        }
        longest_silence = parameters.switch(
            "use_max_poss_sil_at_max_speech",
            cls.use_max_poss_sil_at_max_speech,
            means="cut in the longest silence; false: in the last one, as older versions did",
        )
        return cls(**numbers, use_max_poss_sil_at_max_speech=longest_silence)

    @classmethod
    def of_recording(cls, parameters: RequestParameters) -> SegmentationOptions:
        """`read`, where there are no other parameters: an unknown one is refused."""
        options = cls.read(parameters)
        parameters.rest()
        return options


_LONGEST_MS = 3_600_000.0  # an hour
# Name -> least, most, and what it means.
_NUMBERS = {
    "threshold": (0.0, 1.0, "speech begins in the first window whose probability reaches it"),
    "neg_threshold": (
        0.0,
        1.0,
        "silence begins in the first window below it; none: 0.15 below `threshold`",
    ),
    "min_speech_duration_ms": (0.0, _LONGEST_MS, "shorter speech is left out"),
    "min_silence_duration_ms": (0.0, _LONGEST_MS, "a shorter silence does not end speech"),
    "speech_pad_ms": (
        0.0,
        _LONGEST_MS,
        "added on both sides; neighbours share a gap that is too short for both",
    ),
    "max_speech_duration_s": (
        0.1,
        math.inf,
        "longer speech is cut, in its longest silence where it has one",
    ),
    "min_silence_at_max_speech_ms": (0.0, _LONGEST_MS, "the shortest silence that it may be cut in"),
}


def _read(
    parameters: RequestParameters, name: str, default: float | None, least: float, most: float, means: str
) -> Any:
    """A number; None for one whose default that is."""
    if default is None:
        return parameters.number_or_none(name, default, least=least, most=most, means=means)
    return parameters.number(name, default, least=least, most=most, means=means)
