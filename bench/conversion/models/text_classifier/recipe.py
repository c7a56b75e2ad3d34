"""Any text classifier with softmax in the graph: DistilBERT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import numpy as np
    import torch

recipe = Recipe(
    sources={"starter": Starter("text_classifier")},
    license="Apache-2.0",
    shapes={name: Shapes(min=(1, 2), opt=(8, 32), max=(16, 384)) for name in ("input_ids", "attention_mask")},
    tolerance={"fp32": Tolerance(atol=1e-5, cosine=0.99999, why="the same float32 arithmetic, reordered")},
)


def load(weights: Path) -> torch.nn.Module:
    import torch
    from transformers import AutoModelForSequenceClassification

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = AutoModelForSequenceClassification.from_pretrained(
                weights, local_files_only=True, dtype=torch.float32
            )

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits = self.classifier(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits.softmax(-1)  # (batch, classes)

    return Classifier().eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for rows, longest in ((2, 17), (1, 2), (1, 9), (16, 33), (4, 128), (1, 384)):
        lengths = rng.integers(2, longest + 1, size=rows)
        lengths[0] = longest
        mask = (rng.integers(1, 2, size=(rows, longest)).cumsum(1) <= lengths[:, None]).astype("int64")
        yield {"input_ids": rng.integers(5, 900, size=(rows, longest)) * mask, "attention_mask": mask}
