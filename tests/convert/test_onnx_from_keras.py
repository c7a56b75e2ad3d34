"""Keras and TensorFlow models to ONNX: the same names, the same answers; and a clear word where they are absent.

The conversions need tritonzoo[keras] and are skipped without it; CI runs them in an environment that has it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="conversion needs tritonzoo[convert]")

from tritonzoo.convert.declared import Declared
from tritonzoo.convert.onnx_from_keras import OnnxFromKeras, run_keras
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("tf2onnx") is None,
    reason="tensorflow or tf2onnx is missing: pip install 'tritonzoo[keras]'",
)
PICTURES = {"pixels": Shapes(min=(1, 16, 16, 3), opt=(4, 16, 16, 3), max=(32, 16, 16, 3))}
WORDS = {name: Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)) for name in ("input_ids", "attention_mask")}


def letters() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((16, 16, 3), name="anything"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )


def mean_of_words() -> Any:
    """Inputs in another order than declared, a dict of outputs, and a length that varies."""
    import keras

    keras.utils.set_random_seed(0)
    mask = keras.Input((None,), name="attention_mask", dtype="int64")
    ids = keras.Input((None,), name="input_ids", dtype="int64")
    weight = keras.ops.cast(keras.ops.expand_dims(mask, -1), "float32")
    hidden = keras.layers.Embedding(50, 8)(ids) * weight
    mean = keras.ops.sum(hidden, axis=1) / keras.ops.sum(weight, axis=1)
    return keras.Model([mask, ids], {"score": keras.layers.Dense(1)(mean), "embedding": mean})


def pixels(rows: int) -> dict[str, Any]:
    return {"pixels": np.random.default_rng(rows).uniform(0, 255, (rows, 16, 16, 3)).astype(np.float32)}


def words(rows: int, tokens: int) -> dict[str, Any]:
    rng = np.random.default_rng(rows * tokens)
    lengths = rng.integers(1, tokens + 1, size=rows)
    return {
        "input_ids": rng.integers(0, 50, (rows, tokens)),
        "attention_mask": (np.arange(tokens) < lengths[:, None]).astype(np.int64),
    }


def outside(path: Path) -> dict[str, list[Any]]:
    graph = onnx.load(path).graph
    return {
        tensor.name: [dim.dim_param or dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.output)
    }


def assert_faithful(source: Any, path: Path, samples: list[dict[str, Any]], outputs: list[str]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    reference = run_keras(source, list(samples[0]), outputs)
    for sample in samples:
        expected = reference(sample)
        for output, found in zip(outputs, session.run(outputs, sample), strict=True):
            np.testing.assert_allclose(found, expected[output], atol=1e-5)


@needs_keras
@pytest.mark.parametrize("opset", [13, 17, 18])
def test_a_keras_model_keeps_its_answers(tmp_path: Path, opset: int) -> None:
    source, path = letters(), tmp_path / "model.onnx"
    declared = {"probabilities": Declared("FLOAT", (-1, 5))}

    exported = OnnxFromKeras(["pixels"], ["probabilities"], PICTURES, opset, declared=declared).export(
        source, pixels(2), path
    )

    assert outside(path) == {"pixels": ["batch", 16, 16, 3], "probabilities": ["batch", 5]}
    assert str(exported).startswith("tf2onnx ") and str(exported).endswith(f", opset {opset}")
    assert_faithful(source, path, [pixels(1), pixels(7)], ["probabilities"])


@needs_keras
def test_inputs_and_outputs_are_matched_by_name(tmp_path: Path) -> None:
    source, path = mean_of_words(), tmp_path / "model.onnx"

    OnnxFromKeras(list(WORDS), ["embedding", "score"], WORDS, 17).export(source, words(2, 7), path)

    assert outside(path)["input_ids"] == ["batch", "input_ids_1"]
    assert_faithful(source, path, [words(1, 2), words(5, 31)], ["embedding", "score"])


@needs_keras
def test_a_saved_model_is_taken_as_it_serves(tmp_path: Path) -> None:
    import tensorflow as tf

    letters().export(tmp_path / "saved", verbose=False)
    source, path = tf.saved_model.load(tmp_path / "saved"), tmp_path / "model.onnx"

    OnnxFromKeras(["pixels"], ["probabilities"], PICTURES, 17).export(source, pixels(2), path)

    assert_faithful(source, path, [pixels(1), pixels(3)], ["probabilities"])


@needs_keras
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"outputs": ["probabilities", "score"]},
            "gives the outputs 1, but config.pbtxt declares probabilities, score",
        ),
        (
            {"declared": {"probabilities": Declared("FLOAT", (-1, 26))}},
            "axis 1 of output probabilities is 5, but config.pbtxt says 26",
        ),
        (
            {"shapes": {"pixels": Shapes((1, 16, 16, 1), (4, 16, 16, 1), (9, 16, 16, 1))}},
            "tf2onnx could not export the model .ValueError: .*expected axis -1 of input shape to have value 3",
        ),
    ],
    ids=["outputs", "classes", "extents"],
)
def test_a_keras_model_that_is_not_the_declared_one_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given = {"inputs": ["pixels"], "outputs": ["probabilities"], "shapes": PICTURES, "opset": 17, **change}

    with pytest.raises(ConversionError, match=message):
        OnnxFromKeras(**given).export(letters(), pixels(2), tmp_path / "model.onnx")

    assert list(tmp_path.iterdir()) == []


@needs_keras
def test_inputs_of_other_names_are_not_guessed(tmp_path: Path) -> None:
    shapes = {"ids": WORDS["input_ids"], "mask": WORDS["attention_mask"]}

    with pytest.raises(
        ConversionError,
        match=r"called attention_mask, input_ids, config.pbtxt's ids, mask; give the model's Input",
    ):
        OnnxFromKeras(["ids", "mask"], ["embedding", "score"], shapes, 17).export(
            mean_of_words(), dict(zip(shapes, words(2, 7).values(), strict=True)), tmp_path / "model.onnx"
        )


def test_an_opset_that_tf2onnx_does_not_write_is_refused() -> None:
    with pytest.raises(
        ConversionError, match="tf2onnx writes opset 18 at most, not 21; pin a lower one in the recipe"
    ):
        OnnxFromKeras(["pixels"], ["probabilities"], PICTURES, 21)


@pytest.mark.parametrize("absent", ["tensorflow", "tf2onnx"])
def test_what_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    class Stub:
        __version__ = "0"

    monkeypatch.setitem(sys.modules, "tensorflow", Stub)
    monkeypatch.setitem(sys.modules, absent, None)

    with pytest.raises(ConversionError, match=rf"needs {absent}; pip install 'tritonzoo\[keras\]'"):
        OnnxFromKeras(["pixels"], ["probabilities"], PICTURES, 17).export(
            object(), pixels(2), tmp_path / "model.onnx"
        )
