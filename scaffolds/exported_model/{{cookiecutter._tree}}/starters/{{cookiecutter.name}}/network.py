{% set names = cookiecutter.inputs.replace(" ", "").split(",") -%}
{% set values = (cookiecutter.size | int) * (cookiecutter.size | int) * 3 if cookiecutter.kind == "image" else cookiecutter.size | int -%}
"""The network of {{ cookiecutter.name }}: replace it by yours. Arithmetic before and after belongs in here, too."""

from __future__ import annotations

import torch
from torch import nn

INPUTS = {{ names | length }}
VALUES = {{ values }}  # of one row of one input
CLASSES = {{ cookiecutter.classes }}
LARGEST = {{ {"features": "1.0", "image": "255.0"}[cookiecutter.kind] }}


class Network(nn.Module):
    """One hidden layer over everything that came in."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(INPUTS * VALUES, 32), nn.ReLU(), nn.Linear(32, CLASSES))

    def forward(self, {{ names | join(": torch.Tensor, ") }}: torch.Tensor) -> torch.Tensor:
        """Probabilities {{ "(batch, classes)" if cookiecutter.max_batch_size != "0" else "(classes,)" }} of the inputs, each 0 to {{ {"features": "1", "image": "255"}[cookiecutter.kind] }}."""
        return self.logits({{ names | join(", ") }}).softmax(dim=-1)

    def logits(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax."""
        return self.layers(torch.cat([values.flatten({{ 1 if cookiecutter.max_batch_size != "0" else 0 }}) for values in inputs], dim=-1) / LARGEST)
