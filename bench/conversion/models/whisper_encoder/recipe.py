"""Whisper's encoder (Radford et al., arXiv:2212.04356): 30 s of audio, a batch that varies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import numpy as np
    import torch

recipe = Recipe(
    sources={"starter": Starter("whisper_encoder")},
    license="Apache-2.0",
    shapes={"mel": Shapes(min=(1, 80, 3000), opt=(1, 80, 3000), max=(4, 80, 3000))},
    tolerance={"fp32": Tolerance(atol=1e-4, cosine=0.99999, why="the same float32 arithmetic, reordered")},
)


def load(weights: Path) -> torch.nn.Module:
    import torch
    from transformers import WhisperModel

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            model = WhisperModel.from_pretrained(weights, local_files_only=True, dtype=torch.float32)
            self.encoder = model.get_encoder()

        def forward(self, mel: torch.Tensor) -> torch.Tensor:
            return self.encoder(mel).last_hidden_state  # (batch, frames, dimensions)

    return Encoder().eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for rows in (1, 3):
        yield {"mel": rng.uniform(-1, 1, (rows, 80, 3000)).astype("float32")}
