{% set names = cookiecutter.inputs.replace(" ", "").split(",") -%}
{% set batches = cookiecutter.max_batch_size != "0" -%}
{% set each = {"text": "text: bytes", "numbers": "numbers: Array", "image": "image: bytes"}[cookiecutter.kind] -%}
"""{{ cookiecutter.title.rstrip(".") }}."""

from __future__ import annotations

import numpy as np

from tritonzoo.runtime.errors import InvalidInput
{%- if cookiecutter.kind == "image" %}
from tritonzoo.runtime.image import decode
{%- endif %}
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.tensors import Array


class TritonPythonModel(PythonModel):
    """One number for each row; `_score` is the place for your own arithmetic."""

    def infer(self, {{ names | join(": Array, ") }}: Array) -> Answer:
        """{{ "Each input: (rows, " if batches else "Each input: (" }}{{ "numbers)" if cookiecutter.kind == "numbers" else ("1)" if batches else "1,)") }}; score: {{ "(rows, 1)" if batches else "(1,)" }}."""
        inputs = { {%- for name in names %}"{{ name }}": {{ name }}{{ ", " if not loop.last }}{% endfor -%} }
{%- if batches %}
        rows = range(len({{ names[0] }}))
        scores = [[self._mean({name: values[row] for name, values in inputs.items()})] for row in rows]
        return {"score": np.array(scores, np.float32)}
{%- else %}
        return {"score": np.array([self._mean(inputs)], np.float32)}
{%- endif %}

    def _mean(self, inputs: dict[str, Array]) -> float:
        """The score of one row: the mean over its inputs."""
{%- if cookiecutter.kind == "numbers" %}
        return float(np.mean([self._score(name, numbers) for name, numbers in inputs.items()]))
{%- else %}
        return float(np.mean([self._score(name, values[0]) for name, values in inputs.items()]))
{%- endif %}

    def _score(self, name: str, {{ each }}) -> float:
{%- if cookiecutter.kind == "text" %}
        """The share of capital letters of one text."""
        try:
            letters = [letter for letter in text.decode() if letter.isalpha()]
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name} is not UTF-8 at byte {error.start}; encode it as UTF-8") from None
        if not letters:
            raise InvalidInput(f"{name} has no letters; send at least one")
        return sum(letter.isupper() for letter in letters) / len(letters)
{%- elif cookiecutter.kind == "numbers" %}
        """The mean of one row."""
        if numbers.size == 0 or not np.isfinite(numbers).all():
            raise InvalidInput(f"{name} is empty, or holds NaN or infinity; send finite numbers")
        return float(numbers.mean())
{%- else %}
        """The brightness of one picture."""
        try:
            return float(np.asarray(decode(image), np.float32).mean() / 255)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from None
{%- endif %}
