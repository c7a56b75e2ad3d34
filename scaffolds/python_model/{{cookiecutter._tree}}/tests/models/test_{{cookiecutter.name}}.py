{% set names = cookiecutter.inputs.replace(" ", "").split(",") -%}
{% set batches = cookiecutter.max_batch_size != "0" -%}
"""{{ cookiecutter.name }} as Triton would run it, with no server."""

from __future__ import annotations

{% if cookiecutter.kind == "image" -%}
import io
{% endif -%}
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
{%- if cookiecutter.kind == "image" %}
from PIL import Image
{%- endif %}

from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

MODEL = Path(__file__).parents[2] / "model_repository" / "{{ cookiecutter.name }}"
INPUTS = ("{{ names | join('", "') }}"{{ "," if names | length == 1 }})


@pytest.fixture(scope="module")
def model() -> Iterator[LoadedModel]:
    with load_model(MODEL) as loaded:
        yield loaded

{% if cookiecutter.kind == "image" %}
def picture(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 6), grey).save(file, "PNG")
    return file.getvalue()

{% endif %}
def request_of(*rows: Any) -> dict[str, Any]:
    """The same rows for each input."""
{%- if cookiecutter.kind == "numbers" %}
    return {name: np.array(rows{{ "" if batches else "[0]" }}, np.float32) for name in INPUTS}
{%- else %}
    return {name: np.array(rows, object){{ "[:, None]" if batches else "" }} for name in INPUTS}
{%- endif %}


{% set good, other, bad, score, score_2 = {
  "text": ('b"AbCd"', 'b"abcd"', 'b"\\xff"', "0.5", "0.0"),
  "numbers": ("[1.0, 2.0]", "[3.0, 5.0]", "[1.0, float(\"nan\")]", "1.5", "4.0"),
  "image": ("picture(255)", "picture(0)", 'b"no picture"', "1.0", "0.0"),
}[cookiecutter.kind] -%}
{% if batches and cookiecutter.max_batch_size != "1" -%}
def test_every_row_has_its_score(model: LoadedModel) -> None:
    score = model.infer(**request_of({{ good }}, {{ other }}))["score"]

    assert score.tolist() == [[{{ score }}], [{{ score_2 }}]]
{%- else -%}
def test_a_request_has_its_score(model: LoadedModel) -> None:
    assert model.infer(**request_of({{ good }}))["score"].tolist() == {{ "[[" if batches else "[" }}{{ score }}{{ "]]" if batches else "]" }}
    assert model.infer(**request_of({{ other }}))["score"].tolist() == {{ "[[" if batches else "[" }}{{ score_2 }}{{ "]]" if batches else "]" }}
{%- endif %}


def test_a_bad_request_costs_only_itself(model: LoadedModel) -> None:
    bad, good = model.infer_batch([request_of({{ bad }}), request_of({{ good }})])

    assert isinstance(bad, TritonRequestError)
    assert bad.code == "INVALID_ARG"
    assert INPUTS[0] in bad.message
    assert not isinstance(good, TritonRequestError)
