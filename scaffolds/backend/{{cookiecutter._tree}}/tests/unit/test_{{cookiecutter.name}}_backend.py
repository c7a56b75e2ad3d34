{% set batches = cookiecutter.max_batch_size != "0" -%}
"""The backend {{ cookiecutter.name }}, through its first model, with no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

MODEL = Path(__file__).parents[2] / "model_repository" / "{{ cookiecutter.example }}"


@pytest.fixture
def model() -> Iterator[LoadedModel]:
    with load_model(MODEL) as loaded:
        yield loaded


def logits(*numbers: float) -> np.ndarray:
    return np.array({{ "[numbers]" if batches else "numbers" }}, np.float32)


def test_probabilities_sum_to_one_and_follow_the_logits(model: LoadedModel) -> None:
    probabilities = model.infer(logits=logits(1, 3, 2))["probabilities"]

    assert probabilities.sum() == pytest.approx(1)
    assert probabilities.ravel().argsort().tolist() == [0, 2, 1]


def test_the_temperature_is_the_models(model: LoadedModel) -> None:
    with load_model(MODEL, parameters={"temperature": "1"}) as sharper:
        request = {"logits": logits(0, 1)}
        assert sharper.infer(**request)["probabilities"].max() > model.infer(**request)["probabilities"].max()


def test_large_logits_do_not_overflow(model: LoadedModel) -> None:
    assert model.infer(logits=logits(1e30, 0))["probabilities"].ravel().tolist() == [1, 0]


def test_a_temperature_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="larger than 0"):
        load_model(MODEL, parameters={"temperature": "0"})


def test_nan_is_the_callers_mistake(model: LoadedModel) -> None:
    with pytest.raises(TritonRequestError, match="send finite numbers") as error:
        model.infer(logits=logits(float("nan")))

    assert error.value.code == "INVALID_ARG"
