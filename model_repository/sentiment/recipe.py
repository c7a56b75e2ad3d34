"""Sentiment of English text: an encoder, a head of two classes, and the softmax inside the graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonzoo.module_file import load_module
from tritonzoo.recipe import Hub, Recipe, Shapes, Starter, Tolerance
from tritonzoo.sampling import token_batches
from tritonzoo.sources import fetch
from tritonzoo.tasks import classification
from tritonzoo.tasks import token_batches as token_batches_of
from tritonzoo.weights import ALL_MINILM_L6_V2

if TYPE_CHECKING:
    import torch

    from tritonzoo.tasks import Run

ADAPTER = Starter(
    "sentiment",
    sha256={
        "adapter_config.json": "73249a05ea93ae0ac4ae29c7d3da80554372c6564fba43bb242540c28776b3ef",
        "adapter_model.safetensors": "4b38546a7669e20f68628f71ea2140f81626bf53e00fa0825f9f9d90c9052374",
    },
)

recipe = Recipe(
    sources={
        "starter": (
            ALL_MINILM_L6_V2,
            ADAPTER,
        ),
        "full": Hub(
            "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
            revision="714eb0fa89d2f80546fda750413ed43d93601a13",
            sha256={
                "config.json": "582122c8f414793d131e10022ce9ba04e3811a9da6389137ee2f18665b4f4d15",
                "model.safetensors": "7c3919835e442510166d267fe7cbe847e0c51cd26d9ba07b89a57b952b49b8aa",
            },
        ),
    },
    license="Apache-2.0",
    shapes={
        name: Shapes(min=(1, 2), opt=(16, 32), max=(128, 256)) for name in ("input_ids", "attention_mask")
    },
    tolerance={
        "fp32": Tolerance(atol=1e-5, why="the same float32 arithmetic in another order"),
        "fp16": Tolerance(atol=0.01, why="a hundredth of probability: no clear opinion turns over"),
        "int8": Tolerance(atol=0.15, cosine=0.98, why="scores move, labels seldom do: see label agreement"),
    },
)
samples = token_batches


def load(weights: Path, starter: Path | None = None) -> torch.nn.Module:
    """A classifier with its softmax, (negative, positive) out.

    With a starter, its adapter is merged into the encoder in `weights`; alone, `weights` is the classifier.
    """
    if starter is not None:
        network: torch.nn.Module = load_module(starter / "network.py").load(weights, starter)
        return network

    import torch
    from transformers import AutoModelForSequenceClassification

    class Probabilities(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = AutoModelForSequenceClassification.from_pretrained(
                weights, local_files_only=True, dtype=torch.float32
            )

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits = self.classifier(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits.softmax(dim=-1)  # (batch, 2)

    return Probabilities().eval()


def task(reference: Run, candidate: Run, weights: Path, starter: Path | None = None) -> dict[str, float]:
    """How often sixty sentences of our own are read alike, and rightly."""
    lines = Path(__file__).with_name("labelled.tsv").read_text("utf-8").splitlines()[1:]
    labels, texts = zip(*(line.split("\t") for line in lines), strict=True)
    tokenizer = fetch(ALL_MINILM_L6_V2, Path(__file__).parents[2]) / "tokenizer.json"  # both variants' words
    classes = [("negative", "positive").index(label) for label in labels]
    return classification(reference, candidate, list(token_batches_of(texts, tokenizer)), classes)
