"""wav2vec 2.0 with its CTC head (Baevski et al., arXiv:2006.11477), audio of any length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import numpy as np
    import torch

recipe = Recipe(
    sources={"starter": Starter("wav2vec2_ctc")},
    license="Apache-2.0",
    shapes={"waveform": Shapes(min=(1, 8_000), opt=(1, 80_000), max=(4, 480_000))},
    tolerance={"fp32": Tolerance(atol=1e-4, cosine=0.99999, why="the same float32 arithmetic, reordered")},
)


def load(weights: Path) -> torch.nn.Module:
    import torch
    from transformers import Wav2Vec2ForCTC

    class Recogniser(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Wav2Vec2ForCTC.from_pretrained(weights, local_files_only=True, dtype=torch.float32)

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            return self.model(waveform).logits  # (batch, frames, symbols)

    return Recogniser().eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for rows, length in ((2, 16_000), (1, 8_000), (1, 37_123), (3, 24_000), (1, 160_000)):
        yield {"waveform": rng.standard_normal((rows, length), dtype="float32")}
