"""Sentence embeddings: a BERT-like encoder with mean pooling and normalising inside the graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonzoo.recipe import Hub, Recipe, Shapes, Tolerance
from tritonzoo.sampling import token_batches
from tritonzoo.tasks import similarity
from tritonzoo.weights import ALL_MINILM_L6_V2

if TYPE_CHECKING:
    import torch

    from tritonzoo.tasks import Run

recipe = Recipe(
    sources={
        "starter": ALL_MINILM_L6_V2,
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
        "fp32": Tolerance(atol=1e-5, cosine=0.99999, why="the same float32 arithmetic in another order"),
        "fp16": Tolerance(cosine=0.999, why="11 bits of mantissa; the order of neighbours stays"),
        "int8": Tolerance(
            mean_cosine=0.99, cosine=0.98, why="rank correlation on sentence pairs within 0.5 points"
        ),
    },
)
samples = token_batches


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


def task(reference: Run, candidate: Run, weights: Path) -> dict[str, float]:
    """Rank correlation with people's grades of sentence pairs."""
    pairs = Path(__file__).parents[2] / "bench" / "similarity" / "pairs.tsv"
    return similarity(reference, candidate, weights / "tokenizer.json", pairs)
