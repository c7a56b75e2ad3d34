"""int8 scaled row by row: an answer is the same alone and in company, whatever that company is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="conversion needs tritonzoo[convert]")

from onnx import TensorProto, numpy_helper

from tests.convert.graphs import Sample, evaluator, node, operators, save
from tests.convert.test_quantize import ANY, TOLERANCE, WIDTH, perceptron, samples
from tritonzoo.convert.parity import run_onnx
from tritonzoo.convert.quantize import quantize_dynamic
from tritonzoo.convert.quantize_rows import quantize_rows
from tritonzoo.errors import ConversionError, ParityError


def rows_of(seed: int, count: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)


def answer(path: Path, x: np.ndarray) -> np.ndarray:
    return run_onnx(path, ["x"], ["y"])({"x": x})["y"]


def quantized(tmp_path: Path, how=quantize_rows, **options: bool) -> Path:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    how(source, target, samples(), evaluator(source, samples()), ANY, **options)
    return target


def test_every_product_with_constant_weights_becomes_int8_per_column(tmp_path: Path) -> None:
    source, target = perceptron(tmp_path / "model.onnx"), tmp_path / "model.int8.onnx"
    result = quantize_rows(source, target, samples(), evaluator(source, samples()), TOLERANCE)
    assert result.left_out == () and result.layers == 5
    assert operators(target).count("MatMulIntegerToFloat") == 5 and "MatMul" not in operators(target)
    shapes = {w.name: list(w.dims) for w in onnx.load(target).graph.initializer}
    assert [shapes[f"product{i}/rows/weight_scale"] for i in range(5)] == [[WIDTH]] * 5


def test_an_answer_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    target = quantized(tmp_path)
    rows, loud = rows_of(1), rows_of(2) * 1000
    alone = np.concatenate([answer(target, row[None]) for row in rows])

    np.testing.assert_array_equal(answer(target, np.concatenate([rows, loud]))[: len(rows)], alone)


def test_with_one_scale_for_the_whole_tensor_it_would(tmp_path: Path) -> None:
    target = quantized(tmp_path, quantize_dynamic)
    rows, loud = rows_of(1), rows_of(2) * 1000

    assert (
        np.abs(answer(target, np.concatenate([rows, loud]))[: len(rows)] - answer(target, rows)).max() > 0.1
    )


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_rows_of_any_magnitude_keep_their_precision(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((WIDTH, 10)).astype(np.float32)}
    source = save(
        tmp_path / "model.onnx", [node("MatMul", ["x", "w"], "y")], weights, ["b", WIDTH], ["b", 10]
    )
    target = tmp_path / "model.int8.onnx"
    quantize_rows(source, target, samples(), evaluator(source, samples()), ANY)

    x = rows_of(3) * np.float32(scale)
    exact = x @ weights["w"]

    assert np.abs(answer(target, x) - exact).max() / np.abs(exact).max() < 0.02


def test_a_row_of_zeros_answers_as_zeros_and_not_nan(tmp_path: Path) -> None:
    target = quantized(tmp_path)

    np.testing.assert_array_equal(answer(target, np.zeros((2, WIDTH), np.float32)), 0)


def test_nan_in_one_row_changes_no_other_row(tmp_path: Path) -> None:
    target = quantized(tmp_path)
    rows = rows_of(4)
    damaged = rows.copy()
    damaged[2, 5] = np.nan

    found = answer(target, damaged)

    np.testing.assert_array_equal(np.delete(found, 2, axis=0), np.delete(answer(target, rows), 2, axis=0))


def test_what_several_layers_take_is_quantized_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    weights = {name: rng.standard_normal((WIDTH, 8)).astype(np.float32) for name in ("q", "k", "v")}
    nodes = [node("MatMul", ["x", name], f"p{name}") for name in weights]
    nodes += [node("Add", ["pq", "pk"], "qk"), node("Add", ["qk", "pv"], "y")]
    source, target = (
        save(tmp_path / "model.onnx", nodes, weights, ["b", WIDTH], ["b", 8]),
        tmp_path / "t.onnx",
    )

    quantize_rows(source, target, samples(), evaluator(source, samples()), TOLERANCE)

    assert operators(target).count("QuantizeLinear") == 1
    assert operators(target).count("MatMulIntegerToFloat") == 3


@pytest.mark.parametrize(("reduced", "largest"), [(True, 64), (False, 127)])
def test_weights_have_seven_bits_where_eight_would_saturate(
    tmp_path: Path, reduced: bool, largest: int
) -> None:
    target = quantized(tmp_path, reduced_range=reduced)
    weights = [
        numpy_helper.to_array(w)
        for w in onnx.load(target).graph.initializer
        if w.data_type == TensorProto.INT8
    ]
    assert {int(np.abs(w).max()) for w in weights} == {largest}


def test_pairs_of_products_of_the_largest_numbers_do_not_saturate(tmp_path: Path) -> None:
    """255 times 64, twice, is 32640: what x86 without VNNI adds up in 16 bits."""
    weights = {"w": np.ones((WIDTH, 4), np.float32)}
    source = save(tmp_path / "model.onnx", [node("MatMul", ["x", "w"], "y")], weights, ["b", WIDTH], ["b", 4])
    target = tmp_path / "model.int8.onnx"
    quantize_rows(source, target, samples(), evaluator(source, samples()), ANY, reduced_range=True)

    np.testing.assert_allclose(answer(target, np.ones((3, WIDTH), np.float32)), WIDTH, rtol=1e-5)


@pytest.mark.parametrize("wild", ["w1", "w3"])
def test_the_one_layer_with_wild_weights_is_left_out(tmp_path: Path, wild: str) -> None:
    source, target = perceptron(tmp_path / "model.onnx", wild), tmp_path / "model.int8.onnx"
    compare = evaluator(source, samples())
    with pytest.raises(ParityError, match="least cosine"):
        quantize_rows(source, target, samples(), compare, ANY).parity.judge(TOLERANCE)

    result = quantize_rows(source, target, samples(), compare, TOLERANCE)

    assert [layer.name for layer in result.left_out] == [f"product{wild[1:]}"]
    compare(target).judge(TOLERANCE)
    assert operators(target).count("MatMul") == 1


@pytest.mark.parametrize("opset", [17, 18])
def test_graphs_of_old_and_new_opsets(tmp_path: Path, opset: int) -> None:
    source = perceptron(tmp_path / "model.onnx")
    model = onnx.load(source)
    model.opset_import[0].version = opset
    onnx.save(model, source)
    few: list[Sample] = samples()

    quantize_rows(source, tmp_path / "t.onnx", few, evaluator(source, few), TOLERANCE)

    assert answer(tmp_path / "t.onnx", rows_of(0)).shape == (7, WIDTH)


def test_a_graph_without_constant_products_is_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "model.onnx", [node("Tanh", ["x"], "y")], {}, ["b", WIDTH], ["b", WIDTH])
    with pytest.raises(ConversionError, match="no layer with constant weights"):
        quantize_rows(source, tmp_path / "t.onnx", samples(), evaluator(source, samples()), ANY)
