"""Whisper's encoder, 30 s of samples in: the log-mel spectrogram is inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.recipe import Recipe, Shapes, Tolerance
from tritonzoo.speech.voice import WINDOW_SAMPLES, speech_windows
from tritonzoo.weights import WHISPER

if TYPE_CHECKING:
    import torch

recipe = Recipe(
    sources=WHISPER,
    license="Apache-2.0",
    shapes={"waveform": Shapes(min=(1, WINDOW_SAMPLES), opt=(4, WINDOW_SAMPLES), max=(16, WINDOW_SAMPLES))},
    tolerance={
        "fp32": Tolerance(atol=1e-3, cosine=0.99999, why="float32 in another order; states reach size 10"),
        "fp16": Tolerance(cosine=0.999, why="11 bits of mantissa; the decoder reads the same words"),
        "int8": Tolerance(cosine=0.98, mean_cosine=0.99, why="word error rate is what counts: see task"),
    },
    float32=("/log_mel/",),  # powers from 1e-10 to 1e5: in float16 silence would be log(0)
)
samples = speech_windows


def load(weights: Path) -> torch.nn.Module:
    """transformers' encoder behind its feature extractor, as one module."""
    from tritonzoo.speech.whisper_graphs import encoder

    return encoder(weights)


def golden(rng: np.random.Generator) -> Iterator[dict[str, NDArray[Any]]]:
    """A second of speech with silence after it, small enough for golden.npz."""
    waveform = next(iter(speech_windows(rng)))["waveform"][:1].copy()
    waveform[:, 16_000:] = 0
    yield {"waveform": waveform}
