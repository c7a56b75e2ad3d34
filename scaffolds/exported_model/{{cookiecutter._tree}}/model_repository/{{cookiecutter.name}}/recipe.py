{% set names = cookiecutter.inputs.replace(" ", "").split(",") -%}
{% set rows = cookiecutter.max_batch_size | int -%}
"""{{ cookiecutter.title.rstrip(".") }}: the network of starters/{{ cookiecutter.name }}."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.module_file import load_module
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import torch

INPUTS = ("{{ names | join('", "') }}"{{ "," if names | length == 1 }})
SHAPE = ({{ cookiecutter.size }},{{ " %s, 3" % cookiecutter.size if cookiecutter.kind == "image" }})  # of one row
LARGEST = {{ {"features": "1.0", "image": "255.0"}[cookiecutter.kind] }}

recipe = Recipe(
    # With your own weights: a Hub, Package or Starter, pinned.
    sources={"starter": Starter("{{ cookiecutter.name }}")},
    license="Apache-2.0",
{%- if rows %}
    shapes={name: Shapes(min=(1, *SHAPE), opt=({{ [rows, 8] | min }}, *SHAPE), max=({{ rows }}, *SHAPE)) for name in INPUTS},
{%- else %}
    shapes={name: Shapes(min=SHAPE, opt=SHAPE, max=SHAPE) for name in INPUTS},
{%- endif %}
    tolerance={"fp32": Tolerance(atol=1e-5, why="the same float32 arithmetic in another order")},
)


def load(starter: Path) -> torch.nn.Module:
    """The trained network, in evaluation mode."""
    from safetensors.torch import load_file

    network: torch.nn.Module = load_module(starter / "network.py").Network()
    network.load_state_dict(load_file(starter / "weights.safetensors"))
    return network.eval()


def samples(rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """Inputs as production sends them; random ones until you know better."""
{%- if rows %}
    for rows in ({{ ", ".join(([1, 2, 5, rows] | select("le", rows) | unique | map("string"))) }}{{ "," if rows == 1 }}):
        yield {name: _values(rng, rows, *SHAPE) for name in INPUTS}
{%- else %}
    for _ in range(4):
        yield {name: _values(rng, *SHAPE) for name in INPUTS}
{%- endif %}


def _values(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (LARGEST * rng.random(shape)).astype(np.float32)
