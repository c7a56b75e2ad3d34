"""Faults in fields, warm-ups, graphs, proofs and wiring, beyond those of test_check_faults.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from tests.unit.check_deeds import (
    MODELS,
    Deed,
    Found,
    a_model,
    added,
    all_of,
    an_ensemble,
    assert_found,
    config,
    swapped,
    written,
)
from tests.unit.check_tree import graph, prove
from tritonzoo.golden.file import Case, Golden

TOKENS, SCORES, LABEL, COUNTER, STREAM, LOUDNESS = map(
    config, ("tokens", "scores", "class_label", "counter", "stream", "loudness")
)
WRITE, CLASSIFY = config("write"), config("classify")
ONNX, LOCK, LEDGER, GOLDEN = (
    f"{MODELS}/scores/{name}" for name in ("1/model.onnx", "artifacts.lock", "ledger.json", "golden.npz")
)
CONTROL = "CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ]"
TEXT = f"{MODELS}/tokens/warmup/text.bin"


def control(text: str) -> Deed:
    return swapped(COUNTER, CONTROL, text)


def with_graph(change: Callable[[ModelProto], Any]) -> Deed:
    """The graph of `scores` changed, and proved anew."""

    def do(root: Path) -> None:
        model = graph()
        change(model)
        prove(root, model)

    return do


def a_sequence(model: ModelProto) -> None:
    tensor = model.graph.input[0]
    name = tensor.name
    tensor.Clear()
    tensor.name = name
    tensor.type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.INT64


def no_opset(model: ModelProto) -> None:
    del model.opset_import[:]


def weights_outside(root: Path) -> None:
    """Half of the file that holds the weights."""
    model = graph()
    model.graph.initializer.append(numpy_helper.from_array(np.arange(400, dtype=np.float32), "w"))
    onnx.external_data_helper.convert_model_to_external_data(model, location="far.data", size_threshold=100)
    prove(root, model)
    data = root / MODELS / "scores" / "1" / "far.data"
    data.write_bytes(data.read_bytes()[:800])


def replaced(file: str, pattern: str, text: str) -> Deed:
    def do(root: Path) -> None:
        before = (root / file).read_text()
        after = re.sub(pattern, text, before)
        assert after != before
        (root / file).write_text(after)

    return do


def recorded(inputs: dict[str, Any], outputs: dict[str, Any]) -> Deed:
    case = Case.of(inputs, outputs)
    return lambda root: Golden("starter", (), "tritonzoo golden scores --record", (case,)).write(
        root / GOLDEN
    )


def ids(*shape: int, dtype: type = np.int64) -> dict[str, Any]:
    return {"input_ids": np.zeros(shape, dtype), "attention_mask": np.ones(shape[:2], np.int64)}


def answer(classes: int) -> dict[str, Any]:
    return {"probabilities": np.zeros((2, classes), np.float32)}


X, Y = (f'{{ name: "{name}" data_type: TYPE_FP32 dims: [ -1 ] }}' for name in ("x", "y"))
TWO_ANSWERS = f"{Y}, {Y.replace('y', 'z', 1)}"
ADD = a_model(
    "add", f"{X}, {Y.replace('] }', '] optional: true }')}", '{ name: "z" data_type: TYPE_FP32 dims: [ -1 ] }'
)

BROKEN = {
    # fields
    "passive instances alone": Found(
        swapped(LABEL, "kind: KIND_CPU", "kind: KIND_CPU passive: true"), "instance-passive", LABEL, "ends the server", 11),
    "agents of repositories": Found(
        added(STREAM, 'model_repository_agents { agents [ { name: "checksum" } ] }\n'), "agents-committed", STREAM, "remove", 9),
    "a batch of 0 preferred": Found(swapped(TOKENS, "[ 8, 16 ]", "[ 0, 16 ]"), "preferred-batch-size", TOKENS, "1 to 16"),
    "fewer than no instances": Found(swapped(TOKENS, "count: 2", "count: -1"), "instance-count", TOKENS),
    "another name by capitals": Found(
        swapped(TOKENS, 'backend: "python"', 'backend: "python"\nname: "Tokens"'), "name-differs", TOKENS),
    "a backend in capitals": Found(
        swapped(TOKENS, 'backend: "python"', 'backend: "Python"'), "backend-unknown", TOKENS, 'did you mean "python"?'),
    "a control of one value": Found(control(CONTROL.replace("0, ", "")), "sequence-control", COUNTER, "write fp32_false_true"),
    "a control of no values": Found(control("CONTROL_SEQUENCE_START"), "sequence-control", COUNTER, "no values"),
    "a control of two types": Found(
        control(f"{CONTROL} int32_false_true: [ 0, 1 ]"), "sequence-control", COUNTER, "needs two of one type"),
    "a control without a name": Found(swapped(COUNTER, 'name: "START" ', ""), "sequence-control", COUNTER, 'name: "START"'),
    "a control of nothing": Found(
        swapped(COUNTER, f" control [{{ kind: {CONTROL} }}]", ""), "sequence-control", COUNTER, "controls nothing"),
    "an id of no type": Found(control("CONTROL_SEQUENCE_CORRID"), "sequence-control", COUNTER, "TYPE_UINT64"),
    "an id of fractions": Found(
        control("CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32"), "sequence-control", COUNTER, "take one of"),
    "an id that is a switch": Found(
        control("CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 int32_false_true: [ 0, 1 ]"), "sequence-control", COUNTER, "is no switch"),
    "more slots than there are": Found(
        swapped(COUNTER, "oldest { max_candidate_sequences: 4 preferred_batch_size: [ 4 ] }", "direct { minimum_slot_utilization: 2 }"),
        "sequence-slots", COUNTER, "from 0 to 1"),
    # warm-up
    "a warm-up without data": Found(swapped(TOKENS, ' input_data_file: "text.bin"', ""), "warmup-data", TOKENS, "zero_data: true"),
    "a warm-up text that is cut off": Found(written(TEXT, b"\x05\0\0\0hel"), "warmup-file", TOKENS, "serialize_byte_tensor"),
    "a warm-up text without its length": Found(written(TEXT, b"hello"), "warmup-file", TOKENS, "is cut off"),
    "a warm-up of two texts for one": Found(written(TEXT, 2 * b"\x01\0\0\0a"), "warmup-file", TOKENS, "has 2 texts"),
    "a warm-up from anywhere": Found(swapped(TOKENS, '"text.bin"', '"/etc/hostname"'), "warmup-file", TOKENS, "warmup/etc/hostname"),
    "a warm-up from another model": Found(
        swapped(TOKENS, '"text.bin"', '"../../scores/warmup/ones"'), "warmup-file", TOKENS, "put the file into warmup/"),
    # graphs
    "a graph of no opset": Found(with_graph(no_opset), "graph-opset", ONNX, "in which opset"),
    "a graph that takes a sequence": Found(with_graph(a_sequence), "graph-not-a-tensor", SCORES, "is no tensor"),
    "a graph whose weights are cut off": Found(
        weights_outside, "graph-weights-missing", f"{MODELS}/scores/1/far.data", "has 800 bytes"),
    "a graph of names in capitals": Found(
        with_graph(lambda model: setattr(model.graph.output[0], "name", "Probabilities")), "graph-unknown-tensor", SCORES, "Probabilities"),
    "a graph that answers in doubles": Found(
        with_graph(lambda model: setattr(model.graph.output[0].type.tensor_type, "elem_type", TensorProto.DOUBLE)),
        "graph-data-type", SCORES, "TYPE_FP64"),
    "a batch written into dims": Found(
        swapped(SCORES, '"probabilities" data_type: TYPE_FP32 dims: [ -1 ]', '"probabilities" data_type: TYPE_FP32 dims: [ -1, 3 ]'),
        "graph-rank wiring-shape wiring-shape", SCORES, "write dims: [3]"),
    # proofs
    "another size than locked": Found(
        replaced(LOCK, r'("size_bytes": )\d+', r"\g<1>7"), "artifact-bytes", LOCK, "7 are locked"),
    "a ledger that is a list": Found(written(LEDGER, "[]"), "lock-unreadable", LEDGER, "remove it"),
    "an entry that is a word": Found(written(LEDGER, '{"model.onnx": "green"}'), "lock-unreadable", LEDGER),
    "a lock that is a list": Found(written(LOCK, "[]"), "lock-unreadable", LOCK, "remove it"),
    "a lock with a merge conflict": Found(
        lambda root: (root / LOCK).write_text("<<<<<<< HEAD\n" + (root / LOCK).read_text()), "lock-unreadable", LOCK),
    "a verdict of another colour": Found(replaced(LEDGER, "green", "yellow"), "artifact-unproved", LEDGER, "is yellow"),
    "answers of another number of classes": Found(
        all_of(recorded(ids(2, 4), answer(4)), swapped(SCORES, "TYPE_FP32 dims: [ -1 ]", "TYPE_FP32 dims: [ 3 ]")),
        "golden-tensors", GOLDEN, "--record"),
    "answers of an output that is not there": Found(
        recorded(ids(2, 4), {"logits": np.zeros((2, 3), np.float32)}), "golden-tensors", GOLDEN, "output 'logits'"),
    "recorded inputs of another type": Found(recorded(ids(2, 4, dtype=np.int32), answer(3)), "golden-tensors", GOLDEN, "as int32"),
    "recorded inputs of another rank": Found(recorded(ids(2, 4, 1), answer(3)), "golden-tensors", GOLDEN, "[2, 4, 1]"),
    "recorded answers that are cut off": Found(written(GOLDEN, b"PK\x03\x04"), "golden-unreadable", GOLDEN, "--record"),
    # ensembles
    "a circle of three": Found(
        all_of(an_ensemble("e1", "e2: x=x -> y=y"), an_ensemble("e2", "e3: x=x -> y=y"), an_ensemble("e3", "e1: x=x -> y=y")),
        "ensemble-model-cycle", "ensembles/e1/config.pbtxt", "e1 -> e2 -> e3 -> e1"),
    "a step that feeds itself": Found(
        all_of(ADD, an_ensemble("e1", "add: x=x, y=y -> z=y")), "wiring-cycle", "ensembles/e1/config.pbtxt", "an earlier step"),
    "three steps that wait for each other": Found(
        all_of(ADD, an_ensemble("e1", "add: x=x, y=c -> z=a", "add: x=a -> z=b", "add: x=b -> z=c",
                                outputs=Y.replace("y", "b", 1))),
        "wiring-cycle", "ensembles/e1/config.pbtxt"),
    "two that read one tensor as two types": Found(
        all_of(a_model("one"), a_model("two", X.replace("FP32", "INT32")),
               an_ensemble("e1", "one: x=x -> y=y", "two: x=x -> y=z", outputs=TWO_ANSWERS)),
        "wiring-data-type", "ensembles/e1/config.pbtxt", "TYPE_INT32 as input 'x' of two"),
    "two that read one tensor in two lengths": Found(
        all_of(a_model("one", X.replace("-1", "4")), a_model("two", X.replace("-1", "8")),
               an_ensemble("e1", "one: x=x -> y=y", "two: x=x -> y=z", outputs=TWO_ANSWERS)),
        "wiring-readers", "ensembles/e1/config.pbtxt", "[4] as input 'x' of one, [8] as input 'x' of two"),
    "an ensemble that reshapes away from its member": Found(
        all_of(a_model("one", X.replace("-1", "4")),
               an_ensemble("e1", "one: x=x -> y=y", inputs=X.replace("[ -1 ] }", "[ 4 ] reshape { shape: [ 2, 2 ] } }"))),
        "wiring-shape", "ensembles/e1/config.pbtxt", "is [2, 2] as the ensemble's input 'x'"),
    "an optional input for one that is not": Found(
        all_of(a_model("one"), an_ensemble("e1", "one: x=x -> y=y", inputs=X.replace("] }", "] optional: true }"))),
        "wiring-optional", "ensembles/e1/config.pbtxt", "remove optional here"),
    "more rows than an ensemble within takes": Found(
        all_of(a_model("one", rows=4), an_ensemble("e1", "one: x=x -> y=y", rows=4), an_ensemble("e2", "e1: x=x -> y=y", rows=8)),
        "ensemble-batch-size", "ensembles/e2/config.pbtxt", "e1 takes 4"),
    "another type than an ensemble within takes": Found(
        all_of(a_model("one"), an_ensemble("e1", "one: x=x -> y=y"), an_ensemble("e2", "e1: x=x -> y=y", inputs=X.replace("FP32", "FP64"))),
        "wiring-data-type", "ensembles/e2/config.pbtxt"),
    "a version left out": Found(swapped(WRITE, " model_version: -1", ""), "ensemble-model-version", WRITE, "write model_version: -1"),
    "a member in capitals": Found(swapped(WRITE, '"stream"', '"Stream"'), "ensemble-unknown-model", WRITE, "did you mean 'stream'?"),
    "an ensemble by its backend": Found(
        swapped(WRITE, 'platform: "ensemble"', 'backend: "ensemble"'), "ensemble-platform ensemble-platform", WRITE, "remove backend"),
    "a batch left out": Found(
        swapped(CLASSIFY, "max_batch_size: 16\n", ""), "wiring-batch wiring-batch wiring-batch", CLASSIFY, "let both batch"),
}  # fmt: skip


@pytest.mark.parametrize("expected", BROKEN.values(), ids=BROKEN.keys())
def test_a_contract_that_does_not_hold_is_found(tmp_path: Path, expected: Found) -> None:
    assert_found(tmp_path, expected)
