"""Whisper's decoder as two graphs: one step over caches, and what of a window every step attends to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonzoo.recipe import Graph, Recipe, Tolerance
from tritonzoo.weights import WHISPER

if TYPE_CHECKING:
    from tritonzoo.recipe import LoadedGraph
    from tritonzoo.tasks import Run

FILES = ("config.json", "generation_config.json", "tokenizer.json")

recipe = Recipe(
    sources=WHISPER,
    license="Apache-2.0",
    files={name: name for name in FILES},
    graphs={
        "model": Graph(
            tolerance={
                "fp32": Tolerance(atol=1e-3, why="float32 in another order; logits reach size 30"),
                "fp16": Tolerance(
                    cosine=0.999, why="11 bits of mantissa; a token changes where two are level"
                ),
                "int8": Tolerance(cosine=0.97, mean_cosine=0.99, why="tokens stay: see token agreement"),
            }
        ),
        "cross": Graph(
            tolerance={
                "fp32": Tolerance(atol=1e-3, why="one product in float32"),
                "fp16": Tolerance(cosine=0.999, why="11 bits of mantissa"),
                "int8": Tolerance(cosine=0.98, mean_cosine=0.99, why="what attention averages over anyway"),
            }
        ),
    },
)


def load(weights: Path) -> dict[str, LoadedGraph]:
    """The step as "model", the cross-attention's keys and values as "cross"."""
    from tritonzoo.speech.whisper_graphs import decoder

    return decoder(weights)


def task(reference: Run, candidate: Run, weights: Path) -> dict[str, float]:
    """How often the likeliest next token is the source model's."""
    from tritonzoo.speech.whisper_graphs import token_agreement

    return token_agreement(reference, candidate, weights)
