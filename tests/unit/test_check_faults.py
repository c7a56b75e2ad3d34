"""A sound tree has no finding; each fault planted in it is found once, by its rule, in its line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.unit import test_check_code, test_check_contracts, test_check_files
from tests.unit.check_deeds import relock
from tests.unit.check_tree import PLAIN_CODE, graph, prove, write_check_tree
from tests.unit.check_tree import WRITE as CONFIG_OF_WRITE
from tritonzoo.check import RULES, Finding, Severity, check
from tritonzoo.lock import Lock
from tritonzoo.pull import lock_artifacts
from tritonzoo.repository import Repository

TOKENS, SCORES, LABEL = (
    f"model_repository/{name}/config.pbtxt" for name in ("tokens", "scores", "class_label")
)
LOUDNESS, STREAM, COUNTER = (
    f"model_repository/{name}/config.pbtxt" for name in ("loudness", "stream", "counter")
)
WINDOWS = "model_repository/windows/config.pbtxt"
CLASSIFY, LISTEN, WRITE = (f"ensembles/{name}/config.pbtxt" for name in ("classify", "listen", "write"))
TOKENS_CODE, STREAM_CODE = (f"model_repository/{name}/1/model.py" for name in ("tokens", "stream"))
RECIPE = "model_repository/scores/recipe.py"


@dataclass(frozen=True)
class Planted:
    """A text of one file replaced by another, and the rules and the line that tell of it."""

    file: str
    old: str
    new: str
    rules: tuple[str, ...]  # the first is found at that line, the others are what follows from it
    at: str  # begins on the line of the finding
    found_in: str = ""  # another file than the one that was changed
    at_last: bool = False  # the last place where that text begins


def swap(
    file: str, old: str, new: str, rules: str, at: str = "", found_in: str = "", *, at_last: bool = False
) -> Planted:
    return Planted(file, old, new, tuple(rules.split()), at or new, found_in, at_last)


PLANTED = {
    # config.pbtxt as a whole
    "a misspelt field": swap(TOKENS, "max_batch_size", "max_batchsize", "config-syntax"),
    "a misspelt field in a tensor": swap(TOKENS, 'name: "text"  data_type', 'name: "text"  datatype', "config-syntax"),
    "an unknown data type": swap(TOKENS, "TYPE_STRING dims: [ 1 ] },  ", "TYPE_TEXT dims: [ 1 ] },  ", "config-syntax"),
    "a bracket that is not closed": swap(LABEL, "KIND_CPU }]", "KIND_CPU ]", "config-syntax"),
    "two schedulers": swap(COUNTER, "version_policy", "dynamic_batching {}\nversion_policy", "config-syntax",
                           "dynamic_batching"),
    "no opening comment": swap(TOKENS, "# Cut a text into tokens.\n", "\n", "config-title"),
    "another name": swap(TOKENS, 'backend: "python"', 'backend: "python"\nname: "token"', "name-differs", "name:"),
    "its own name": swap(TOKENS, 'backend: "python"', 'backend: "python"\nname: "tokens"', "name-repeated", "name:"),
    "no backend": swap(STREAM, 'backend: "python"\n', "\n", "backend-missing", "# Write"),
    "a platform for a backend": swap(SCORES, 'backend: "onnxruntime"', 'platform: "onnxruntime_onnx"',
                                     "backend-missing"),
    "an unknown platform": swap(STREAM, 'backend: "python"', 'platform: "python_py"', "backend-missing"),
    "an unknown backend": swap(STREAM, 'backend: "python"', 'backend: "pyhton"', "backend-unknown"),
    "a platform that does not go with the backend": swap(
        SCORES, 'backend: "onnxruntime"', 'backend: "onnxruntime"\nplatform: "tensorrt_plan"', "backend-platform",
        "platform:"),
    "a runtime": swap(SCORES, "max_batch_size", 'runtime: "libtriton_onnxruntime.so"\nmax_batch_size',
                      "runtime-committed", "runtime:"),
    "a field of later Tritons": swap(LISTEN, "ensemble_scheduling {", "ensemble_scheduling {\nmax_inflight_requests: 4 ",
                                     "config-field-too-new", "max_inflight_requests"),
    "a parameter twice": swap(TOKENS, "model_warmup", 'parameters { key: "max_length" value { string_value: "8" } }\nmodel_warmup',
                              "config-key-repeated", 'parameters { key: "max_length" value { string_value: "8"'),
    "an input fed twice": swap(CLASSIFY, 'input_map  { key: "attention_mask" value: "mask" }',
                               'input_map  { key: "attention_mask" value: "mask" }\n'
                               '      input_map { key: "input_ids" value: "ids" }',
                               "config-key-repeated", 'input_map { key: "input_ids"'),
    "an environment on one machine": swap(
        STREAM, "model_transaction", 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/home/me/env" } }\n'
        "model_transaction", "environment-path", "parameters"),
    "a file that no recipe makes": swap(LABEL, 'backend: "labels"', 'backend: "labels"\ndefault_model_filename: "a.bin"',
                                        "artifact-missing", "default_model_filename"),
    "a misspelt artifact": swap(SCORES, "max_batch_size", 'default_model_filename: "modle.onnx"\nmax_batch_size',
                                "artifact-missing", "default_model_filename"),
    "a Python file of another name": swap(STREAM, "max_batch_size", 'default_model_filename: "stream.py"\nmax_batch_size',
                                          "artifact-missing", "default_model_filename"),
    "an artifact outside the version folder": swap(
        STREAM, "max_batch_size", 'default_model_filename: "../1/model.py"\nmax_batch_size', "artifact-missing",
        "default_model_filename"),
    "a version that is not there": swap(COUNTER, "versions: [ 1 ]", "versions: [ 1, 3 ]", "version-policy"),
    # tensors
    "no input": swap(STREAM, 'input  [{ name: "prompt" data_type: TYPE_STRING dims: [ 1 ] }]', "", "tensors-missing wiring-unknown-input",
                     "# Write"),
    "a tensor without a name": swap(COUNTER, 'name: "count" ', "", "tensor-name", "output"),
    "a name of two words": swap(COUNTER, '"count"', '"the count"', "tensor-name"),
    "two outputs of one name": swap(TOKENS, '{ name: "attention_mask"', '{ name: "input_ids"',
                                    "tensor-repeated wiring-unknown-output python-outputs python-outputs", at_last=True),
    "no data type": swap(COUNTER, "data_type: TYPE_INT32 ", "", "tensor-type", 'name: "count"'),
    "a data type that NumPy lacks": swap(COUNTER, "TYPE_INT32", "TYPE_BF16", "tensor-type"),
    "no dims": swap(COUNTER, "TYPE_INT32 dims: [ 1 ]", "TYPE_INT32", "tensor-dims"),
    "empty dims": swap(COUNTER, "TYPE_INT32 dims: [ 1 ]", "TYPE_INT32 dims: [ ]", "tensor-dims"),
    "a dimension of 0": swap(COUNTER, "TYPE_INT32 dims: [ 1 ]", "TYPE_INT32 dims: [ 1, 0 ]", "tensor-dims"),
    "a dimension of -2": swap(COUNTER, "TYPE_INT32 dims: [ 1 ]", "TYPE_INT32 dims: [ -2 ]", "tensor-dims"),
    "a reshape of another size": swap(COUNTER, "reshape { shape: [ ] }", "reshape { shape: [ 2 ] }", "tensor-reshape"),
    "a reshape to nothing without batches": swap(STREAM, "dims: [ 1 ] }]  # UTF-8", "dims: [ 1 ] reshape { } }]  # UTF-8",
                                                 "tensor-reshape"),
    "a format of pictures on text": swap(STREAM, 'name: "prompt"', 'name: "prompt" format: FORMAT_NHWC', "tensor-format"),
    "a shape tensor outside TensorRT": swap(COUNTER, 'name: "x"', 'name: "x" is_shape_tensor: true',
                                            "tensor-shape-flags"),
    "a batch input of nothing": swap(
        LOUDNESS, "dynamic_batching {}", "dynamic_batching {}\nbatch_input [{ kind: BATCH_ELEMENT_COUNT "
        'target_name: "N" data_type: TYPE_FP32 source_input: "w" }]', "batch-tensors", "batch_input"),
    # against the graph
    "an input that the graph has not": swap(SCORES, '{ name: "input_ids"     ', '{ name: "ids"     ',
                                            "graph-unknown-tensor graph-undeclared-input padding warmup-inputs "
                                            "warmup-inputs recipe-input recipe-input wiring-unknown-input "
                                            "wiring-unfed-input"),
    "an output that the graph has not": swap(SCORES, '{ name: "states"       ', '{ name: "state"       ',
                                             "graph-unknown-tensor padding"),
    "an output of another type than the graph's": swap(SCORES, '"states"        data_type: TYPE_FP32',
                                                       '"states"        data_type: TYPE_FP16', "graph-data-type"),
    "an output of another rank than the graph's": swap(SCORES, "dims: [ -1, 1 ]", "dims: [ -1 ]", "graph-rank", at_last=True),
    "an output of another size than the graph's": swap(SCORES, "dims: [ -1, 1 ]", "dims: [ -1, 2 ]", "graph-dims"),
    "a member that does not batch": swap(LABEL, "max_batch_size: 16", "max_batch_size: 0", "wiring-batch wiring-batch",
                                         'input_map  { key: "probabilities"', CLASSIFY),
    "an optional input of a graph": swap(SCORES, 'dims: [ -1 ] }   # tokens: 1', 'dims: [ -1 ] optional: true }   # tokens: 1',
                                         "optional-input"),
    # batches, queues, sequences
    "a negative batch": swap(STREAM, "max_batch_size: 0", "max_batch_size: -1", "batch-size-negative"),
    "dynamic batching without a batch axis": swap(STREAM, "model_transaction", "dynamic_batching { }\nmodel_transaction",
                                                  "dynamic-batching-unbatched", "dynamic_batching"),
    "a preferred batch above the largest": swap(TOKENS, "[ 8, 16 ]", "[ 8, 32 ]", "preferred-batch-size"),
    "a preferred batch of a sequence above the largest": swap(COUNTER, "preferred_batch_size: [ 4 ]",
                                                              "preferred_batch_size: [ 8 ]", "preferred-batch-size"),
    "a default priority above the levels": swap(
        TOKENS, "dynamic_batching { ", "dynamic_batching { priority_levels: 2 default_priority_level: 3 ",
        "priority-levels"),
    "levels without a default priority": swap(TOKENS, "dynamic_batching { ", "dynamic_batching { priority_levels: 2 ",
                                              "priority-levels"),
    "a policy for a priority that is not there": swap(
        TOKENS, "dynamic_batching { ", "dynamic_batching { priority_levels: 2 default_priority_level: 1 "
        "priority_queue_policy { key: 3 value { max_queue_size: 4 } } ", "priority-levels"),
    "order and priorities": swap(
        TOKENS, "dynamic_batching { ", "dynamic_batching { preserve_ordering: true priority_levels: 2 "
        "default_priority_level: 1 ", "preserved-order"),
    "a bounded queue of one instance": swap(
        LOUDNESS, "dynamic_batching {}", "dynamic_batching { default_queue_policy { max_queue_size: 8 } }", "queue-stall"),
    "priorities of one instance": swap(
        LOUDNESS, "dynamic_batching {}", "dynamic_batching { priority_levels: 2 default_priority_level: 1 }",
        "queue-stall"),
    "ragged requests that nothing merges": swap(LOUDNESS, "dynamic_batching {}", "", "ragged-unbatched",
                                                'input  [{ name: "window"'),
    "ragged requests to a graph": swap(SCORES, 'dims: [ -1 ] },  # tokens\n', 'dims: [ -1 ] allow_ragged_batch: true },\n',
                                       "ragged-native"),
    "a control twice": swap(
        COUNTER, "  control_input", '  control_input [{ name: "S" control [{ kind: CONTROL_SEQUENCE_START '
        "fp32_false_true: [ 0, 1 ] }] }]\n  control_input", "sequence-control", '  control_input [{ name: "START"'),
    "a sequence's id as text": swap(
        COUNTER, "CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ]", "CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING",
        "sequence-control"),
    "a control that is an input": swap(COUNTER, 'name: "START"', 'name: "x"', "sequence-control", at_last=True),
    "implicit state": swap(
        COUNTER, "  control_input", '  state [{ input_name: "a" output_name: "b" data_type: TYPE_FP32 dims: [ 1 ] }]\n'
        "  control_input", "sequence-state", "state"),
    "a cache for a decoupled model": swap(STREAM, "model_transaction", "response_cache { enable: true }\nmodel_transaction",
                                          "cache-refused", "response_cache"),
    "a cache for a sequence": swap(COUNTER, "version_policy", "response_cache { enable: true }\nversion_policy",
                                   "cache-refused", "response_cache"),
    "a cache for a model that may fail": swap(LOUDNESS, "enable: false", "enable: true", "cache-unsafe"),
    "a cache for requests of any shape": swap(LISTEN, "ensemble_scheduling", "response_cache { enable: true }\n"
                                              "ensemble_scheduling", "cache-unsafe", "response_cache"),
    "a GPU": swap(LABEL, "KIND_CPU", "KIND_GPU", "instance-gpu"),
    "GPUs for an instance on the CPU": swap(LABEL, "KIND_CPU", "KIND_CPU gpus: [ 0 ]", "instance-gpu"),
    "no instance": swap(SCORES, "count: 1", "count: 0", "instance-count"),
    # parameters and warm-up
    "a misspelt parameter": swap(TOKENS, '"max_length"', '"max_lenght"', "parameter-unread"),
    "a misspelt parameter of a backend": swap(SCORES, '"max_group_rows"', '"max_grop_rows"', "parameter-unread"),
    "a number that is none": swap(TOKENS, '"256"', '"many"', "parameter-value"),
    "a number of a backend that is none": swap(SCORES, '"64"', '"6.5"', "parameter-value"),
    "padding of no input": swap(SCORES, '"input_ids:1=0, att', '"ids:1=0, att', "padding"),
    "padding of an axis too high": swap(SCORES, '"input_ids:1=0, att', '"input_ids:2=0, att', "padding"),
    "padding in another form": swap(SCORES, '"input_ids:1=0, att', '"input_ids=0, att', "padding"),
    "a mask that is not padded": swap(SCORES, 'string_value: "attention_mask"', 'string_value: "mask"', "padding"),
    "an output that is cut and not there": swap(SCORES, '"states:1"', '"states:1, words:1"', "padding"),
    "an output that is not cut": swap(SCORES, '  { key: "padding_cut" value { string_value: "states:1" } },\n', "",
                                      "padding", '  { name: "states"'),
    "a warm-up of no input": swap(TOKENS, '  inputs { key: "text"', '  inputs { key: "words" value { data_type: '
                                  'TYPE_STRING dims: [ 1 ] zero_data: true } }\n  inputs { key: "text"', "warmup-inputs",
                                  '  inputs { key: "words"'),
    "a warm-up without an input": swap(
        SCORES, '    { key: "input_ids" value { data_type: TYPE_INT64 dims: [ 4 ] zero_data: true } },\n', "",
        "warmup-inputs", '  name: "four tokens"'),
    "a warm-up of another type": swap(SCORES, "TYPE_INT64 dims: [ 4 ] zero_data", "TYPE_INT32 dims: [ 4 ] zero_data",
                                      "warmup-tensor"),
    "a warm-up of another shape": swap(SCORES, "dims: [ 4 ] zero_data", "dims: [ 2, 4 ] zero_data", "warmup-tensor"),
    "a warm-up of any shape": swap(SCORES, "dims: [ 4 ] zero_data", "dims: [ -1 ] zero_data", "warmup-tensor"),
    "a warm-up of too many rows": swap(SCORES, "batch_size: 2", "batch_size: 17", "warmup-batch-size"),
    "a warm-up of rows without a batch axis": swap(
        STREAM, "model_transaction", 'model_warmup [{ name: "w" batch_size: 2\n  inputs { key: "prompt" value { data_type: '
        'TYPE_STRING dims: [ 1 ] zero_data: true } } }]\nmodel_transaction', "warmup-batch-size", "model_warmup"),
    "a warm-up from a file that is not there": swap(TOKENS, '"text.bin"', '"txt.bin"', "warmup-file"),
    "a warm-up from a file of another size": swap(SCORES, 'dims: [ 4 ] input_data_file', 'dims: [ 5 ] input_data_file',
                                                  "warmup-file"),
    "a warm-up that marks nothing": swap(SCORES, 'input_data_file: "ones"', "zero_data: true", "warmup-mask",
                                         at_last=True),
    # labels
    "a file of labels that is not there": swap(LOUDNESS, '"loudness.txt"', '"loud.txt"', "labels-missing"),
    "a label twice": swap("model_repository/class_label/labels.txt", "good", "bad", "labels-content", "bad",
                          at_last=True),
    "a label too few": swap("model_repository/class_label/labels.txt", "so-so\n", "", "labels-count", "good"),
    "a label too many": swap("model_repository/class_label/labels.txt", "good\n", "good\nbest\n", "labels-count", "best"),
    "a label too many for an output": swap("model_repository/loudness/loudness.txt", "loud\n", "loud\nloudest\n",
                                           "labels-count", "loudest"),
    "a label too few for an input": swap(LABEL, "TYPE_FP32 dims: [ -1 ]", "TYPE_FP32 dims: [ 4 ]",
                                         "labels-count", "good", "model_repository/class_label/labels.txt"),
    # ensembles
    "an ensemble of another platform": swap(WRITE, '"ensemble"', '"onnxruntime_onnx"', "ensemble-platform"),
    "an ensemble with a backend": swap(WRITE, 'platform: "ensemble"', 'platform: "ensemble"\nbackend: "python"',
                                       "ensemble-platform", "backend"),
    "instances of an ensemble": swap(WRITE, "ensemble_scheduling", "instance_group [{ kind: KIND_CPU }]\n"
                                     "ensemble_scheduling", "ensemble-field-refused", "instance_group"),
    "a warm-up of an ensemble": swap(WRITE, "ensemble_scheduling", 'model_warmup [{ name: "w" }]\nensemble_scheduling',
                                     "ensemble-field-refused", "model_warmup"),
    "optimization of an ensemble": swap(WRITE, "ensemble_scheduling", "optimization { }\nensemble_scheduling",
                                        "ensemble-field-refused", "optimization"),
    "ragged requests to an ensemble": swap(CLASSIFY, "dims: [ 1 ] }]  # UTF-8", "dims: [ 1 ] allow_ragged_batch: true }] #",
                                           "ensemble-ragged", 'input [{ name: "text"'),
    "an unknown member": swap(CLASSIFY, '"class_label"', '"class_labels"', "ensemble-unknown-model"),
    "a version that a member has not": swap(CLASSIFY, "model_version: 1", "model_version: 2", "ensemble-model-version"),
    "a step without a model": swap(WRITE, 'model_name: "stream" ', "", "ensemble-step-incomplete",
                                   "ensemble_scheduling"),
    "a step that takes nothing": swap(WRITE, 'input_map { key: "prompt" value: "prompt" } ', "",
                                      "ensemble-step-incomplete wiring-unfed-input wiring-unused-input",
                                      '  model_name: "stream"'),
    "an ensemble without steps": swap(
        WRITE, 'step {\n  model_name: "stream" model_version: -1\n  input_map { key: "prompt" value: "prompt" } '
        'output_map { key: "word" value: "word" }\n}', "", "ensemble-platform wiring-output-unwritten wiring-unused-input",
        "ensemble_scheduling"),
    "a call of no model": swap("ensembles/ask/config.pbtxt", '"tokens, scores"', '"tokens, score"',
                               "ensemble-unknown-call"),
    "a circle of calls": swap("ensembles/ask/config.pbtxt", '"tokens, scores"', '"tokens, ask"', "ensemble-model-cycle"),
    "a circle of one": swap(WRITE, '"stream"', '"write"', "ensemble-model-cycle"),
    "more rows than a member takes": swap(CLASSIFY, "max_batch_size: 16", "max_batch_size: 64", "ensemble-batch-size"),
    "an input that a member has not": swap(CLASSIFY, 'input_map  { key: "text"', 'input_map  { key: "txt"',
                                           "wiring-unknown-input wiring-unfed-input"),
    "an output that a member has not": swap(CLASSIFY, 'output_map { key: "label"  ', 'output_map { key: "labels"  ',
                                            "wiring-unknown-output"),
    "an input that is not fed": swap(CLASSIFY, '      input_map  { key: "attention_mask" value: "mask" }\n', "",
                                     "wiring-unfed-input wiring-unused-tensor", 'model_name: "scores"'),
    "a tensor that nothing writes": swap(CLASSIFY, 'key: "text"           value: "text"', 'key: "text" value: "txt"',
                                         "wiring-nothing-writes wiring-unused-input"),
    "a tensor written twice": swap(CLASSIFY, 'value: "label" }', 'value: "probabilities" }',
                                   "wiring-written-twice wiring-output-unwritten", at_last=True),
    "an input overwritten": swap(WRITE, 'key: "word" value: "word"', 'key: "word" value: "prompt"',
                                 "wiring-written-twice wiring-output-unwritten"),
    "an output that no step writes": swap(WRITE, 'output [{ name: "word"', 'output [{ name: "words"',
                                          "wiring-output-unwritten wiring-unused-tensor"),
    "an input that no step reads": swap(WRITE, 'input  [{ name: "prompt" data_type: TYPE_STRING dims: [ 1 ] }]',
                                        'input  [{ name: "prompt" data_type: TYPE_STRING dims: [ 1 ] },\n'
                                        '{ name: "seed" data_type: TYPE_INT64 dims: [ 1 ] }]', "wiring-unused-input",
                                        '{ name: "seed"'),
    "a tensor that nothing reads": swap(CLASSIFY, 'value: "label" }', 'value: "label" }\n'
                                        '      output_map { key: "score" value: "score" }', "wiring-unused-tensor",
                                        '      output_map { key: "score"'),
    "another type in the ensemble": swap(LISTEN, "TYPE_FP32 dims: [ -1, 2 ]", "TYPE_FP64 dims: [ -1, 2 ]",
                                         "wiring-data-type"),
    "another type into a member": swap(LOUDNESS, '"window" data_type: TYPE_FP32', '"window" data_type: TYPE_FP16',
                                       "wiring-data-type", 'input_map { key: "window"', LISTEN),
    "another length into a member": swap(LOUDNESS, "dims: [ 16 ]", "dims: [ 32 ]", "wiring-shape",
                                         'input_map { key: "window"', LISTEN),
    "another rank out of a member": swap(WINDOWS, "dims: [ -1, 16 ]", "dims: [ -1, 1, 16 ]", "wiring-shape",
                                         'input_map { key: "window"', LISTEN),
    "another length in the ensemble": swap(LISTEN, "dims: [ -1, 2 ]", "dims: [ -1, 3 ]", "wiring-shape"),
    "a batch into a member that has none": swap(LISTEN, "max_batch_size: 0", "max_batch_size: 8",
                                                "wiring-batch wiring-shape", 'input_map { key: "samples"'),
    # recipes
    "torch at the top of a recipe": swap(RECIPE, "from typing", "import torch\nfrom typing", "recipe-heavy-import",
                                         "import torch"),
    "a recipe that does not parse": swap(RECIPE, "recipe = Recipe(", "recipe = Recipe((", "recipe-loads"),
    "a recipe that fails": swap(RECIPE, 'license="Apache-2.0"', "license=LICENSE", "recipe-loads"),
    "a recipe that contradicts itself": swap(RECIPE, "Tolerance(atol=1e-5", "Tolerance(atol=-1", "recipe-loads"),
    "a recipe of another name": swap(RECIPE, "recipe = Recipe(", "recipes = Recipe(", "recipe-loads", '"""Three'),
    "a recipe without samples": swap(RECIPE, "def samples", "def sample", "recipe-functions", "recipe = Recipe("),
    "a recipe without load": swap(RECIPE, "def load", "def loads", "recipe-functions", "recipe = Recipe("),
    "shapes of no input": swap(RECIPE, '        "attention_mask": S', '        "mask": Shapes(min=(1, 2), opt=(4, 8), '
                               'max=(16, 32)),\n        "attention_mask": S', "recipe-input", '        "mask"'),
    "no shapes of an input": swap(
        RECIPE, '        "attention_mask": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)),\n', "", "recipe-input",
        "    shapes="),
    "shapes of another rank": swap(RECIPE, '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32))',
                                   '"input_ids": Shapes(min=(1,), opt=(4,), max=(16,))', "recipe-shape"),
    "more rows than the batch": swap(RECIPE, '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32))',
                                     '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(32, 32))', "recipe-batch"),
    "fewer rows than the batch": swap(RECIPE, '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32))',
                                      '"input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(8, 32))',
                                      "recipe-batch-uncovered"),
    "an opset that a server cannot read": swap(RECIPE, "opset=17", "opset=22", "recipe-opset"),
    "a starter that is not there": swap(RECIPE, 'Starter("scores"', 'Starter("score"', "recipe-starter artifact-stale", "    sources="),
    "a starter's file that is not there": swap(RECIPE, "weights.bin", "weight.bin", "recipe-starter", "    sources="),
    # Python models
    "a model that does not parse": swap(STREAM_CODE, "requests):", "requests)", "python-syntax"),
    "a model for later Pythons": swap(STREAM_CODE, "    def execute(self, requests): ...",
                                      "    def execute(self, requests):\n        try: ...\n        except* OSError: ...",
                                      "python-syntax", "        except*"),
    "a model of another class": swap(STREAM_CODE, "TritonPythonModel", "TritonModel", "python-class"),
    "a model that cannot answer": swap(STREAM_CODE, "execute", "exceute", "python-answers", "class Triton"),
    "a PythonModel that cannot answer": swap(TOKENS_CODE, "def infer", "def infers", "python-answers", "class Triton"),
    "an argument that is no input": swap(TOKENS_CODE, "text, limit=None", "txt, limit=None", "python-signature"),
    "an input that is no argument": swap(TOKENS_CODE, "text, limit=None", "text", "python-signature", "    def infer"),
    "a PythonModel that is decoupled": swap(TOKENS, "dynamic_batching", "model_transaction_policy { decoupled: true }\n"
                                            "dynamic_batching", "python-decoupled",
                                            "model_transaction_policy"),
    "an optional input without a default": swap(TOKENS_CODE, "limit=None", "limit", "python-signature"),
    "an answer of another name": swap(TOKENS_CODE, '{"input_ids": ids, "att', '{"ids": ids, "att', "python-outputs"),
    "an answer too few": swap(TOKENS_CODE, ', "attention_mask": ids[:, :1]}', "}", "python-outputs",
                              "            return {"),
    "torch in a model": swap(STREAM_CODE, "class", "import torch\n\n\nclass", "python-heavy-import", "import torch"),
}  # fmt: skip


def plant(root: Path, fault: Planted) -> None:
    path = root / fault.file
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.old!r} is there {text.count(fault.old)} times"
    path.write_text(text.replace(fault.old, fault.new))
    if fault.file == RECIPE:  # the artifacts are taken for those of the changed recipe
        relock(root)


def line_of(path: Path, text: str, *, last: bool = False) -> int:
    """The line where a text begins."""
    whole = path.read_text()
    assert text in whole, f"{text!r} is not in {path}"
    place = whole.rindex(text) if last else whole.index(text)
    return whole[:place].count("\n") + 1


def told(findings: Iterable[Finding]) -> str:
    return "\n".join(map(str, findings))


def test_a_sound_tree_has_no_finding(tmp_path: Path) -> None:
    assert told(check(Repository(write_check_tree(tmp_path)))) == ""


@pytest.mark.parametrize("fault", PLANTED.values(), ids=PLANTED.keys())
def test_a_fault_is_found_where_it_is(tmp_path: Path, fault: Planted) -> None:
    root = write_check_tree(tmp_path)
    plant(root, fault)

    findings = check(Repository(root))

    file = fault.found_in or fault.file
    expected = (fault.rules[0], file, line_of(root / file, fault.at, last=fault.at_last))
    assert expected in [(finding.rule, finding.path, finding.line) for finding in findings], told(findings)
    assert sorted(finding.rule for finding in findings) == sorted(fault.rules), told(findings)


# -- a pipeline whose process may die --------------------------------------------------------------------

ASK = "ensembles/ask/config.pbtxt"
CONCURRENT = """from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    def infer_request(self, request): ...
"""
OF_A_SUBCLASS = """from tritonzoo.runtime.transcription.pipeline import TranscriptionModel as Base


class Ours(Base): ...


class TritonPythonModel(Ours): ...
"""
ITERATIVE = (
    "sequence_batching { iterative_sequence: true max_sequence_idle_microseconds: 3600000000 "
    "oldest { max_candidate_sequences: 64 } }\n"
)


def ask_with(root: Path, code: str, lines: str = "") -> tuple[Finding, ...]:
    """What is found where the pipeline in Python has this code and these further lines."""
    (root / "ensembles" / "ask" / "1" / "model.py").write_text(code)
    path = root / ASK
    path.write_text(path.read_text() + lines)
    return check(Repository(root))


@pytest.mark.parametrize("code", [CONCURRENT, OF_A_SUBCLASS], ids=["ConcurrentModel", "a subclass of it"])
def test_a_pipeline_that_would_leave_callers_unanswered_is_found_with_the_lines_that_mend_it(
    tmp_path: Path, code: str
) -> None:
    root = write_check_tree(tmp_path)

    (finding,) = ask_with(root, code)

    assert (finding.rule, finding.path) == ("python-unanswered", ASK)
    assert finding.severity is Severity.WARNING
    assert finding.line == line_of(root / ASK, 'backend: "python"')
    assert "when its process dies" in finding.message
    lines = finding.remedy.removeprefix("add ")
    assert lines == ITERATIVE.strip()
    assert check(Repository(root)) == (finding,)
    (root / ASK).write_text((root / ASK).read_text() + lines + "\n")
    assert told(check(Repository(root))) == ""


@pytest.mark.parametrize(
    "lines",
    [
        ITERATIVE,
        "model_transaction_policy { decoupled: true }\n",
        "sequence_batching { oldest { max_candidate_sequences: 4 } }\n",
    ],
    ids=["iterative", "decoupled", "sequences that callers make"],
)
def test_a_pipeline_that_has_another_way_to_answer_is_not(tmp_path: Path, lines: str) -> None:
    assert told(ask_with(write_check_tree(tmp_path), CONCURRENT, lines)) == ""


def test_a_member_on_concurrent_model_is_not(tmp_path: Path) -> None:
    root = write_check_tree(tmp_path)
    (root / "model_repository" / "stream" / "1" / "model.py").write_text(CONCURRENT)
    path = root / "model_repository" / "stream" / "config.pbtxt"
    path.write_text(path.read_text().replace("model_transaction_policy { decoupled: true }\n", ""))

    assert "python-unanswered" not in [finding.rule for finding in check(Repository(root))]


# -- what no replaced text makes ---------------------------------------------------------------------------

Deed = Callable[[Path], Any]


def models(root: Path) -> Path:
    return root / "model_repository"


def reproved(**changes: Any) -> Deed:
    return lambda root: prove(root, graph(**changes))


def without_initial_bytes(path: str, start: int, end: int | None) -> Deed:
    def cut(root: Path) -> None:
        file = root / path
        file.write_bytes(file.read_bytes()[start:end])

    return cut


def with_external_data(root: Path) -> None:
    model = graph()
    onnx.external_data_helper.convert_model_to_external_data(
        model, location="model.onnx.data", size_threshold=0
    )
    prove(root, model)
    (models(root) / "scores" / "1" / "model.onnx.data").unlink()


def with_a_red_entry(root: Path) -> None:
    path = models(root) / "scores" / "ledger.json"
    path.write_text(path.read_text().replace('"verdict": "green"', '"verdict": "red"'))


def with_another_proof(root: Path) -> None:
    path = models(root) / "scores" / "ledger.json"
    fields = json.loads(path.read_text())
    fields["model.onnx"]["sha256"] = "0" * 64
    path.write_text(json.dumps(fields, indent=2))


def with_another_lock(root: Path) -> None:
    with (models(root) / "scores" / "1" / "model.onnx").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x12")  # the standard opset is one that every server reads, but another


def with_other_pins(root: Path) -> None:
    lock_path = Repository(root).model("scores").lock_path
    replace(Lock.read(lock_path), pins_sha256="1" * 64).write(lock_path)


def with_an_unproved_artifact(root: Path) -> None:
    model = Repository(root).model("scores")
    onnx.save_model(graph(), model.version_folder / "model.int8.onnx")
    lock_artifacts(model, "starter")


def with_two_circles(root: Path) -> None:
    for name, other in (("write", "rewrite"), ("rewrite", "write")):
        folder = root / "ensembles" / name
        (folder / "1").mkdir(parents=True, exist_ok=True)
        config = CONFIG_OF_WRITE.replace('model_name: "stream"', f'model_name: "{other}"')
        (folder / "config.pbtxt").write_text(config)


def with_waiting_steps(root: Path) -> None:
    (root / "ensembles" / "write" / "config.pbtxt").write_text(
        """# Two steps that wait for each other.
platform: "ensemble"
max_batch_size: 0
input  [{ name: "samples" data_type: TYPE_FP32 dims: [ -1 ] }]
output [{ name: "b" data_type: TYPE_FP32 dims: [ -1 ] }]
ensemble_scheduling { step [
  { model_name: "adder" model_version: -1
    input_map { key: "x" value: "samples" } input_map { key: "y" value: "b" } output_map { key: "z" value: "a" } },
  { model_name: "adder" model_version: -1
    input_map { key: "x" value: "a" } input_map { key: "y" value: "samples" } output_map { key: "z" value: "b" } }
] }
"""
    )
    write_adder(root)


def write_adder(root: Path) -> None:
    folder = models(root) / "adder"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(PLAIN_CODE)
    (folder / "config.pbtxt").write_text(
        """# Add.
backend: "python"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }]
output [{ name: "z" data_type: TYPE_FP32 dims: [ -1 ] }]
"""
    )


def with_joined_streams(root: Path) -> None:
    """One step takes what a decoupled model gives, and what came with the request."""
    write_adder(root)
    for folder in ("ensembles/write", "model_repository/stream"):
        path = root / folder / "config.pbtxt"
        path.write_text(path.read_text().replace("TYPE_STRING dims: [ 1 ]", "TYPE_FP32 dims: [ -1 ]"))
    path = root / "ensembles" / "write" / "config.pbtxt"
    text = path.read_text().replace('key: "word" value: "word" }\n}', 'key: "word" value: "part" }\n}')
    step = """ step {
  model_name: "adder" model_version: -1
  input_map { key: "x" value: "prompt" } input_map { key: "y" value: "part" } output_map { key: "z" value: "word" }
} }
"""
    path.write_text(text.rstrip().removesuffix("}") + step)


DEEDS: dict[str, tuple[Deed, str, str, str]] = {
    # what is done; the rule; the file; the text that begins on the line, empty for the file as a whole
    "a shared folder": (lambda root: (models(root) / "_shared").mkdir(), "stray-folder", "model_repository/_shared", ""),
    "a hidden folder": (lambda root: (root / "ensembles" / ".git").mkdir(), "stray-folder", "ensembles/.git", ""),
    "a folder without a configuration": (
        lambda root: (models(root) / "half" / "1").mkdir(parents=True), "stray-folder", "model_repository/half", ""),
    "one name in both repositories": (
        lambda root: shutil.copytree(models(root) / "stream", root / "ensembles" / "stream"),
        "duplicate-model", "ensembles/stream/config.pbtxt", "# Write"),
    "a name with a space": (
        lambda root: shutil.copytree(models(root) / "stream", models(root) / "my stream"),
        "folder-name", "model_repository/my stream/config.pbtxt", "# Write"),
    "no version folder": (lambda root: (root / "ensembles/write/1").rmdir(), "version-folder", WRITE, "# A text"),
    "a version file": (
        lambda root: [(root / "ensembles/write/1").rmdir(), (root / "ensembles/write/1").touch()],
        "version-folder", WRITE, "# A text"),
    "a version folder of another name": (
        lambda root: (root / "ensembles/write/1").rename(root / "ensembles/write/v1"),
        "version-folder", WRITE, "# A text"),
    "a configuration in another encoding": (
        lambda root: (root / STREAM).write_bytes(b"# na\xefve\n" + (root / STREAM).read_bytes()),
        "config-syntax", STREAM, ""),
    "no model.py": (
        lambda root: (root / STREAM_CODE).unlink(), "artifact-missing", STREAM, 'backend: "python"'),
    "no labels": (
        lambda root: (models(root) / "class_label/labels.txt").unlink(), "labels-missing", LABEL, 'backend: "labels"'),
    "empty labels": (
        lambda root: (models(root) / "class_label/labels.txt").write_text("\n"),
        "labels-content", "model_repository/class_label/labels.txt", "\n"),
    "two ensembles in a circle": (
        with_two_circles, "ensemble-model-cycle", "ensembles/rewrite/config.pbtxt", '  model_name: "write"'),
    "steps that wait for each other": (with_waiting_steps, "wiring-cycle", WRITE, '  { model_name: "adder"'),
    "a stream joined with the request": (with_joined_streams, "wiring-decoupled", WRITE, '  model_name: "adder"'),
    "a syntax error beside model.py": (
        lambda root: (models(root) / "windows/1/cutter.py").write_text("\ndef windows(:\n"),
        "python-syntax", "model_repository/windows/1/cutter.py", "def windows"),
    "a starter of other bytes": (
        lambda root: (root / "starters/scores/weights.bin").write_bytes(b"other weights"),
        "recipe-starter", RECIPE, '    sources='),
    # graphs
    "a graph of another type": (
        reproved(ids_type=onnx.TensorProto.INT32), "graph-data-type", SCORES, '  { name: "input_ids"'),
    "a graph with one more input": (reproved(extra_input=True), "graph-undeclared-input", SCORES, "  { name"),
    "a graph of a fixed batch": (reproved(batch=16), "graph-batch graph-batch", SCORES, '  { name: "input_ids"'),
    "a graph of a later opset": (reproved(opset=22), "graph-opset", "model_repository/scores/1/model.onnx", ""),
    "a graph of a later format": (reproved(ir_version=11), "graph-opset", "model_repository/scores/1/model.onnx", ""),
    "a graph of strange operators": (
        reproved(domain="com.example"), "graph-operators", "model_repository/scores/1/model.onnx", ""),
    "a graph of other classes than labels": (
        reproved(classes=4), "labels-count", "model_repository/class_label/labels.txt", "good"),
    "a graph without its weights": (
        with_external_data, "graph-weights-missing", "model_repository/scores/1/model.onnx", ""),
    "half a graph": (
        without_initial_bytes("model_repository/scores/1/model.onnx", 0, -20),
        "graph-unreadable artifact-bytes", "model_repository/scores/1/model.onnx", ""),
    "a graph that is none": (
        lambda root: (models(root) / "scores/1/model.onnx").write_text("<html>not found</html>"),
        "graph-unreadable artifact-bytes", "model_repository/scores/1/model.onnx", ""),
    # lock and ledger
    "an artifact that was changed": (
        with_another_lock, "artifact-bytes", "model_repository/scores/artifacts.lock", '"1/model.onnx"'),
    "an artifact that is not locked": (
        lambda root: onnx.save_model(graph(), models(root) / "scores/1/model.fp16.onnx"),
        "artifact-unlocked", "model_repository/scores/1/model.fp16.onnx", ""),
    "an artifact that was never proved": (
        with_an_unproved_artifact, "artifact-unproved", "model_repository/scores/1/model.int8.onnx", ""),
    "an artifact that failed": (
        with_a_red_entry, "artifact-unproved", "model_repository/scores/ledger.json", '"model.onnx"'),
    "a proof of other bytes": (
        with_another_proof, "artifact-unproved", "model_repository/scores/ledger.json", '"model.onnx"'),
    "a lock that is cut off": (
        without_initial_bytes("model_repository/scores/artifacts.lock", 0, 40),
        "lock-unreadable", "model_repository/scores/artifacts.lock", "{"),
    "a ledger that is cut off": (
        without_initial_bytes("model_repository/scores/ledger.json", 0, 40),
        "lock-unreadable", "model_repository/scores/ledger.json", "{"),
    "a recipe changed since": (
        lambda root: (root / RECIPE).write_text((root / RECIPE).read_text() + "\n"),
        "artifact-stale", "model_repository/scores/artifacts.lock", '"recipe_sha256"'),
    "weights pinned anew since": (
        with_other_pins, "artifact-stale", "model_repository/scores/artifacts.lock", '"sources"'),
}  # fmt: skip


@pytest.mark.parametrize(("deed", "rules", "file", "at"), DEEDS.values(), ids=DEEDS.keys())
def test_a_broken_folder_is_found(tmp_path: Path, deed: Deed, rules: str, file: str, at: str) -> None:
    root = write_check_tree(tmp_path)
    deed(root)

    findings = check(Repository(root))

    places = [(finding.rule, finding.path, finding.line) for finding in findings]
    if at:
        assert (rules.split()[0], file, line_of(root / file, at)) in places, told(findings)
    else:
        assert (rules.split()[0], file) in [place[:2] for place in places], told(findings)
    assert sorted(finding.rule for finding in findings) == sorted(rules.split()), told(findings)


def test_every_rule_is_tried() -> None:
    tried = {rule for fault in PLANTED.values() for rule in fault.rules}
    tried |= {"python-unanswered"}  # by tests of its own, above
    tried |= {"file-locked"}  # in test_check_files.py, by users who may not read everything
    tried |= {rule for _, rules, _, _ in DEEDS.values() for rule in rules.split()}
    for module in (test_check_code, test_check_contracts, test_check_files):
        tried |= {rule for found in module.BROKEN.values() for rule in found.rules.split()}

    assert {rule.id for rule in RULES} - tried == set()
