"""Trees that are unusual and sound: `check` finds nothing in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper

from tests.unit.check_deeds import (
    MODELS,
    RECIPE,
    Deed,
    a_model,
    added,
    all_of,
    an_ensemble,
    code,
    config,
    swapped,
    written,
)
from tests.unit.check_tree import PLAIN_CODE, write_check_tree
from tests.unit.test_check_contracts import ADD, X, Y, answer, ids, recorded, with_graph
from tritonzoo.check import check
from tritonzoo.repository import Repository

STREAM, TOKENS, LABEL, COUNTER, LOUDNESS, WRITE, CLASSIFY = map(
    config, ("stream", "tokens", "class_label", "counter", "loudness", "write", "classify")
)
STREAM_CODE, TOKENS_CODE = code("stream"), code("tokens")
LABELS = f"{MODELS}/class_label/labels.txt"
FOLDER = f"{MODELS}/stream"


def moved_behind_a_link(path: str) -> Deed:
    def do(root: Path) -> None:
        (root / path).rename(root / "elsewhere")
        (root / path).symlink_to(root / "elsewhere")

    return do


def a_second_version(root: Path) -> None:
    shutil.copytree(root / FOLDER / "1", root / FOLDER / "2")


def code_of_stream(text: str) -> Deed:
    return written(STREAM_CODE, text)


def a_constant_among_the_inputs(model: ModelProto) -> None:
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("last", TensorProto.INT64, [1]))


def open_shapes(model: ModelProto) -> None:
    for tensor in model.graph.output:
        tensor.type.tensor_type.ClearField("shape")


SOUND: dict[str, Deed] = {
    # ways to write a config.pbtxt
    "lines that end as on Windows": lambda root: (root / TOKENS).write_bytes((root / TOKENS).read_bytes().replace(b"\n", b"\r\n")),
    "commas, semicolons and colons": written(STREAM, """# Write.
backend: "python"; max_batch_size: 0,
input { name: "prompt"; data_type: TYPE_STRING, dims: [ 1 ]; };
output: { name: "word", data_type: TYPE_STRING, dims: 1 }
model_transaction_policy: { decoupled: true };
"""),
    "angle brackets and one line": written(STREAM, """# Write.
backend: 'python' max_batch_size: 0 input < name: "prompt" data_type: TYPE_STRING dims: [ 1 ] > \
output: [ < name: "word" data_type: TYPE_STRING dims: [ 1 ] > ] model_transaction_policy < decoupled: True >"""),
    "numbers in other bases, a text in parts": written(STREAM, """# Write.
backend: "py" 'thon' max_batch_size: 0x0
input [{ name: "pro" "mpt" data_type: 13 dims: [ 01 ] }] output [{ name: "w\\x6frd" data_type: TYPE_STRING dims: [ 0x1 ] }]
model_transaction_policy { decoupled: t }
"""),
    "tabs and form feeds": swapped(STREAM, "max_batch_size: 0", "max_batch_size:\t\f0"),
    "a map with colons and commas": swapped(
        TOKENS, 'parameters { key: "max_length" value { string_value: "256" } }',
        'parameters: {\n  key: "max_length",\n  value: {\n    string_value: "256"\n  }\n}'),
    "no line end at the end": lambda root: (root / STREAM).write_text((root / STREAM).read_text().rstrip()),
    "other scripts in comments and texts": all_of(
        swapped(STREAM, "# UTF-8 text", "# \u0442\u0435\u043a\u0441\u0442 \u2603"),
        added(STREAM, 'metric_tags { key: "team" value: "\u017elu\u0165ou\u010dk\u00fd" }\n')),
    "a long comment": added(STREAM, "# " + 500_000 * "x" + "\n" + 5000 * "# x\n"),
    # versions, folders, links
    "all of two versions": all_of(a_second_version, added(STREAM, "version_policy { all {} }\n")),
    "the latest two versions": all_of(a_second_version, added(STREAM, "version_policy { latest { num_versions: 2 } }\n")),
    "an older version that is not served, without its file": all_of(
        a_second_version, lambda root: (root / FOLDER / "1/model.py").unlink()),
    "a version folder behind a link": moved_behind_a_link(f"{FOLDER}/1"),
    "a model behind a link": moved_behind_a_link(FOLDER),
    "a repository behind a link": moved_behind_a_link(MODELS),
    "files beside the models": all_of(written(f"{MODELS}/.DS_Store", "x"), written("ensembles/.gitignore", "*")),
    "folders and files in a model": all_of(
        written(f"{FOLDER}/README.md", "x"), written(f"{FOLDER}/tests/test_it.py", "x = 1\n"),
        written(f"{FOLDER}/.ipynb_checkpoints/a", "x"), written(f"{FOLDER}/1/__pycache__/model.cpython-311.pyc", b"\0")),
    "samples of a pipeline": written("data_samples/write/a.txt", "x"),
    "no ensembles": lambda root: shutil.rmtree(root / "ensembles"),
    "a fresh clone, without artifacts": lambda root: [
        (root / MODELS / "scores" / name).unlink() for name in ("1/model.onnx", "artifacts.lock", "ledger.json")],
    # what Triton offers
    "a stream that batches": all_of(
        swapped(STREAM, "max_batch_size: 0", "max_batch_size: 4\ndynamic_batching {}"),
        swapped(WRITE, "max_batch_size: 0", "max_batch_size: 4")),
    "an ensemble that says that it streams": added(WRITE, "model_transaction_policy { decoupled: true }\n"),
    "sequences in slots": swapped(
        COUNTER, "oldest { max_candidate_sequences: 4 preferred_batch_size: [ 4 ] }", "direct { minimum_slot_utilization: 0.5 }"),
    "every control of a sequence": swapped(
        COUNTER, 'control_input [{ name: "START" control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] }] }]',
        """control_input [
    { name: "START" control [{ kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] }] },
    { name: "END" control [{ kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] }] },
    { name: "READY" control [{ kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] }] },
    { name: "CORRID" control [{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT32 }] }
  ]"""),
    "priorities of two instances": swapped(
        TOKENS, "dynamic_batching { ", "dynamic_batching { priority_levels: 2 default_priority_level: 1 "),
    "limited resources": swapped(
        TOKENS, "count: 2", 'count: 2 rate_limiter { resources [ { name: "R" count: 1 } ] priority: 2 }'),
    "two groups, one of them passive": swapped(
        LABEL, "[{ kind: KIND_CPU }]", "[{ kind: KIND_CPU }, { kind: KIND_CPU passive: true }]"),
    "no kind of instance": swapped(LABEL, "kind: KIND_CPU", "count: 2"),
    "a name on both sides": a_model("same", X, X),
    "data types and ranks of all kinds": a_model(
        "kinds", '{ name: "x" data_type: TYPE_BOOL dims: [ 1, 2, 3, 4, 5 ] }, { name: "u" data_type: TYPE_UINT8 dims: [ 1 ] }',
        '{ name: "y" data_type: TYPE_FP16 dims: [ 1 ] }, { name: "d" data_type: TYPE_FP64 dims: [ -1, -1 ] }'),
    "a picture, channels first": a_model("picture", '{ name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 8, 8 ] }'),
    "a reshape of an axis that varies": a_model(
        "reshaped", '{ name: "x" data_type: TYPE_FP32 dims: [ -1, 1 ] reshape { shape: [ -1 ] } }'),
    "warm-ups of random data, of several rows": swapped(
        TOKENS, 'input_data_file: "text.bin" } }\n}]', 'random_data: true } }\n}, { name: "rows" batch_size: 3 count: 2\n'
        '  inputs { key: "text" value { data_type: TYPE_STRING dims: [ 1 ] zero_data: true } }\n}]'),
    "labels without a last line end": written(LABELS, "bad\r\nso-so\r\ngood"),
    "labels in other scripts": written(LABELS, "\u043f\u043b\u043e\u0445\u043e\n\u666e\u901a\ngood enough\n"),
    "labels of an ensemble's output": all_of(
        swapped(CLASSIFY, "dims: [ 3 ] }", 'dims: [ 3 ] label_filename: "three.txt" }'),
        written("ensembles/classify/three.txt", "a\nb\nc\n")),
    # ensembles
    "an optional input that is not fed": all_of(ADD, an_ensemble("e1", "add: x=x -> z=y")),
    "an optional input for an optional one": all_of(ADD, an_ensemble(
        "e1", "add: x=x, y=o -> z=y", inputs=f"{X}, {Y.replace('y', 'o', 1).replace('] }', '] optional: true }')}")),
    "an ensemble that reshapes for its member": all_of(
        a_model("one", X.replace("-1", "2, 2")),
        an_ensemble("e1", "one: x=x -> y=y", inputs=X.replace("[ -1 ] }", "[ 4 ] reshape { shape: [ 2, 2 ] } }"))),
    "a member that reshapes for itself": all_of(
        a_model("one", X.replace("[ -1 ] }", "[ 4 ] reshape { shape: [ 2, 2 ] } }")),
        an_ensemble("e1", "one: x=x -> y=y", inputs=X.replace("-1", "4"))),
    "an ensemble in an ensemble": all_of(
        a_model("one"), an_ensemble("e1", "one: x=x -> y=y"), an_ensemble("e2", "e1: x=x -> y=y")),
    "one tensor for two inputs of a step": all_of(ADD, an_ensemble("e1", "add: x=x, y=x -> z=y")),
    "a model in two steps": all_of(ADD, an_ensemble("e1", "add: x=x -> z=m", "add: x=m -> z=y")),
    "a diamond": all_of(ADD, an_ensemble("e1", "add: x=x -> z=l", "add: x=x -> z=r", "add: x=l, y=r -> z=y")),
    "steps in another order than they run": all_of(ADD, an_ensemble("e1", "add: x=m -> z=y", "add: x=x -> z=m")),
    "an answer that another step reads": all_of(ADD, an_ensemble(
        "e1", "add: x=x -> z=m", "add: x=m -> z=y", outputs=f"{Y}, {Y.replace('y', 'm', 1)}")),
    "a length that is open in the ensemble": all_of(a_model("one", X.replace("-1", "4")), an_ensemble("e1", "one: x=x -> y=y")),
    "fewer rows than the members take": swapped(CLASSIFY, "max_batch_size: 16", "max_batch_size: 4"),
    "a pipeline in Python as a member": an_ensemble(
        "e1", "ask: question=q -> answer=a", inputs='{ name: "q" data_type: TYPE_STRING dims: [ 1 ] }',
        outputs='{ name: "a" data_type: TYPE_STRING dims: [ 1 ] }'),
    # code
    "a class from another file": all_of(
        code_of_stream("from theirs import TritonPythonModel\n"), written(f"{FOLDER}/1/theirs.py", PLAIN_CODE)),
    "a class from the model's own folder": all_of(
        code_of_stream("from theirs import TritonPythonModel\n"), written(f"{FOLDER}/theirs.py", PLAIN_CODE)),
    "a relative import": all_of(
        code_of_stream(f"from . import other\n\n\n{PLAIN_CODE}"), written(f"{FOLDER}/1/other.py", "")),
    "a class by assignment": code_of_stream("class Model:\n    def execute(self, requests): ...\n\n\nTritonPythonModel = Model\n"),
    "a class by the version of Python": all_of(
        code_of_stream("import sys\nif sys.version_info >= (3, 10):\n    class TritonPythonModel:\n"
                       "        def execute(self, requests): ...\nelse:\n    from old import TritonPythonModel\n"),
        written(f"{FOLDER}/1/old.py", PLAIN_CODE)),
    "a class that is tried": code_of_stream(
        "try:\n    from fast import TritonPythonModel\nexcept ImportError:\n    class TritonPythonModel:\n"
        "        def execute(self, requests): ...\n"),
    "an execute that waits": code_of_stream("class TritonPythonModel:\n    async def execute(self, requests): ...\n"),
    "an execute from a base": code_of_stream(
        "class Base:\n    def execute(self, requests): ...\n\n\nclass TritonPythonModel(Base):\n    def initialize(self, args): ...\n"),
    "methods that take anything": code_of_stream(
        "class TritonPythonModel:\n    def initialize(self, *args, **kwargs): ...\n    def execute(self, *args): ...\n"),
    "methods under other names": code_of_stream(
        "class TritonPythonModel:\n    def initialize(self, info, trace=None): ...\n    def execute(self, batch): ...\n"),
    "a byte order mark in Python": lambda root: (root / STREAM_CODE).write_bytes(b"\xef\xbb\xbf" + (root / STREAM_CODE).read_bytes()),
    "another encoding in Python, by its name": written(
        STREAM_CODE, b"# -*- coding: latin-1 -*-\nx = '\xef'\n" + PLAIN_CODE.encode()),
    "torch for types": code_of_stream("from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import torch\n\n\n" + PLAIN_CODE),
    "a package that is tried": code_of_stream("try:\n    import faster\nexcept ImportError:\n    faster = None\n\n\n" + PLAIN_CODE),
    "an infer of keywords": swapped(TOKENS_CODE, "self, text, limit=None", "self, *, text, limit=None"),
    "a recipe with functions of its own": swapped(
        RECIPE, "recipe = Recipe(", "import math\n\nROWS = math.prod((2, 2))\n\n\ndef helper(x): return x\n\n\nrecipe = Recipe("),
    "a load of any number of paths": swapped(RECIPE, "def load(weights)", "def load(*weights)"),
    # graphs and answers
    "constants among a graph's inputs": with_graph(a_constant_among_the_inputs),
    "a graph of open shapes": with_graph(open_shapes),
    "operators of ONNX Runtime": with_graph(lambda model: [
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1)), setattr(model.graph.node[2], "domain", "com.microsoft")]),
    "a reshaped output of a graph": all_of(
        swapped(config("scores"), '"states"        data_type: TYPE_FP32 dims: [ -1, 1 ] }',
                '"states"        data_type: TYPE_FP32 dims: [ -1 ] reshape { shape: [ -1, 1 ] } }')),
    "recorded answers": recorded(ids(2, 4), answer(3)),
}  # fmt: skip


@pytest.mark.parametrize("deed", SOUND.values(), ids=SOUND.keys())
def test_what_is_sound_has_no_finding(tmp_path: Path, deed: Deed) -> None:
    root = write_check_tree(tmp_path)
    deed(root)

    assert "\n".join(map(str, check(Repository(root)))) == ""
