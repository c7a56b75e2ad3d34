"""The labels backend names the most probable class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.answers import refused, served
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.tensors import Array
from tritonzoo.testing import LoadedModel, load_model

BACKENDS = Path(__file__).parents[2] / "backends"
CONFIG = """
backend: "labels"
max_batch_size: 8
input { name: "probabilities" data_type: TYPE_FP32 dims: [ -1 ] }
output [{ name: "label" data_type: TYPE_STRING dims: [ 1 ] }, { name: "score" data_type: TYPE_FP32 dims: [ 1 ] }]
"""


def labels_model(folder: Path, labels: str | None) -> LoadedModel:
    (folder / "config.pbtxt").write_text(CONFIG)
    if labels is not None:
        (folder / "labels.txt").write_text(labels, encoding="utf-8")
    return load_model(folder, backends=BACKENDS)


def rows(*probabilities: list[float]) -> dict[str, Array]:
    return {"probabilities": np.array(probabilities, dtype=np.float32)}


def test_each_row_gets_the_label_and_probability_of_its_largest_class(tmp_path: Path) -> None:
    model = labels_model(tmp_path, "negative\nneutrální\npositive\n\n")
    answer = model.infer(**rows([0.1, 0.2, 0.7], [0.25, 0.5, 0.25]))
    assert answer["label"].tolist() == [[b"positive"], ["neutrální".encode()]]
    np.testing.assert_array_equal(answer["score"], np.array([[0.7], [0.5]], np.float32))


def test_a_row_that_cannot_be_named_fails_alone(tmp_path: Path) -> None:
    model = labels_model(tmp_path, "a\nb\n")
    good, too_many, not_a_number = model.infer_batch(
        [rows([0.9, 0.1]), rows([0.2, 0.3, 0.5]), rows([0.5, 0.5], [np.nan, 1])]
    )
    assert served(good)["label"].tolist() == [[b"a"]]
    assert refused(too_many).code == refused(not_a_number).code == "INVALID_ARG"
    assert "has 3 classes, labels.txt" in refused(too_many).message
    assert "names 2" in refused(too_many).message
    assert refused(not_a_number).message.startswith("row 1 of probabilities holds NaN")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, r"labels\.txt is missing; write one label a line"),
        ("\n \n", "is empty"),
        ("a\nb\na\n", "has a more than"),
    ],
)
def test_labels_that_name_nothing_or_twice_are_refused_at_load(
    tmp_path: Path, labels: str | None, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        labels_model(tmp_path, labels)
