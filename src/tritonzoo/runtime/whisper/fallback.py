"""When an attempt at a window is given up for one at a higher temperature.

Radford et al. 2022 (arXiv:2212.04356), section 4.5, as openai/whisper's `transcribe` has it.
"""

from __future__ import annotations

import zlib

from tritonzoo.runtime.whisper.options import DecodingOptions


def compression_ratio(text: str) -> float:
    """Length of the text over that of its zlib compression: above 2.4 it repeats itself."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def needs_another_attempt(
    compression_ratio: float,
    mean_log_probability: float,
    no_speech_probability: float,
    options: DecodingOptions,
) -> bool:
    """Whether the answer repeats itself or is unlikely, and the window is not just silent."""
    least, most_no_speech = options.log_probability_threshold, options.no_speech_threshold
    is_unlikely = least is not None and mean_log_probability < least
    if is_unlikely and most_no_speech is not None and no_speech_probability > most_no_speech:
        return False
    most = options.compression_ratio_threshold
    return is_unlikely or (most is not None and compression_ratio > most)
