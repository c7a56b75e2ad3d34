"""A sound tree with one of everything that `check` looks at, for tests to break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save_model

from tests.unit.proved import entry
from tritonzoo import ledger
from tritonzoo.lock import sha256_of
from tritonzoo.pull import lock_artifacts
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]

TOKENS = """# Cut a text into tokens.
backend: "python"
max_batch_size: 16

input [
  { name: "text"  data_type: TYPE_STRING dims: [ 1 ] },               # UTF-8 text
  { name: "limit" data_type: TYPE_INT32  dims: [ 1 ] optional: true } # tokens
]
output [
  { name: "input_ids"      data_type: TYPE_INT64 dims: [ -1 ] },  # tokens
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }   # tokens: 1 for a token
]

dynamic_batching { preferred_batch_size: [ 8, 16 ] }
instance_group [{ kind: KIND_CPU count: 2 }]
parameters { key: "max_length" value { string_value: "256" } }
model_warmup [{
  name: "one text" batch_size: 1
  inputs { key: "text" value { data_type: TYPE_STRING dims: [ 1 ] input_data_file: "text.bin" } }
}]
"""
TOKENS_CODE = '''"""Cut a text into tokens."""

import numpy as np

from tritonzoo.runtime.model import Answer, PythonModel


class TritonPythonModel(PythonModel):
    def setup(self) -> None:
        self.max_length = self.parameter("max_length", 0)

    def infer(self, text, limit=None) -> Answer:
        ids = np.zeros((len(text), 3), np.int64)
        if limit is not None:
            return {"input_ids": ids[:, :1], "attention_mask": ids[:, :1]}
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}
'''
SCORES = """# Give each of three classes its probability.
backend: "onnxruntime"
max_batch_size: 16

input [
  { name: "input_ids"      data_type: TYPE_INT64 dims: [ -1 ] },  # tokens
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }   # tokens: 1 for a token
]
output [
  { name: "probabilities" data_type: TYPE_FP32 dims: [ -1 ] },     # classes, sum 1
  { name: "states"        data_type: TYPE_FP32 dims: [ -1, 1 ] }   # for each token
]

dynamic_batching {}
instance_group [{ kind: KIND_CPU count: 1 }]
parameters [
  { key: "padding" value { string_value: "input_ids:1=0, attention_mask:1=0" } },
  { key: "padding_mask" value { string_value: "attention_mask" } },
  { key: "padding_cut" value { string_value: "states:1" } },
  { key: "max_group_rows" value { string_value: "64" } }
]
model_warmup [{
  name: "four tokens" batch_size: 2
  inputs [
    { key: "input_ids" value { data_type: TYPE_INT64 dims: [ 4 ] zero_data: true } },
    { key: "attention_mask" value { data_type: TYPE_INT64 dims: [ 4 ] input_data_file: "ones" } }
  ]
}]
"""
SCORES_RECIPE = '''"""Three classes."""

from typing import TYPE_CHECKING

from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

if TYPE_CHECKING:
    import torch

recipe = Recipe(
    sources={"starter": Starter("scores", {"weights.bin": "%s"})},
    license="Apache-2.0",
    shapes={
        "input_ids": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)),
        "attention_mask": Shapes(min=(1, 2), opt=(4, 8), max=(16, 32)),
    },
    tolerance={"fp32": Tolerance(atol=1e-5, why="rounding")},
    opset=17,
)


def load(weights) -> "torch.nn.Module": ...


def samples(rng): ...
'''
LABEL = """# Name the most probable of three classes.
backend: "labels"
max_batch_size: 16

input [{ name: "probabilities" data_type: TYPE_FP32 dims: [ -1 ] }]  # classes, sum 1
output [
  { name: "label" data_type: TYPE_STRING dims: [ 1 ] },  # a line of labels.txt
  { name: "score" data_type: TYPE_FP32   dims: [ 1 ] }   # its probability
]

instance_group [{ kind: KIND_CPU }]
"""
WINDOWS = """# Cut samples into windows.
backend: "python"
max_batch_size: 0

input  [{ name: "samples" data_type: TYPE_FP32 dims: [ -1 ] }]     # any number
output [{ name: "windows" data_type: TYPE_FP32 dims: [ -1, 16 ] }] # windows x samples
"""
WINDOWS_CODE = """import triton_python_backend_utils as pb_utils
import cutter


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([cutter.windows(request)]) for request in requests]
"""
LOUDNESS = """# Tell how loud each window is.
backend: "python"
max_batch_size: 32

input  [{ name: "window" data_type: TYPE_FP32 dims: [ 16 ] allow_ragged_batch: true }]  # samples
output [{ name: "loud" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "loudness.txt" }] # quiet, loud

dynamic_batching {}
response_cache { enable: false }
"""
PLAIN_CODE = """class TritonPythonModel:
    def execute(self, requests): ...
"""
STREAM = """# Write a text word by word.
backend: "python"
max_batch_size: 0

input  [{ name: "prompt" data_type: TYPE_STRING dims: [ 1 ] }]  # UTF-8 text
output [{ name: "word" data_type: TYPE_STRING dims: [ 1 ] }]    # one an answer

model_transaction_policy { decoupled: true }
"""
COUNTER = """# Count what came in a sequence.
backend: "python"
max_batch_size: 4

input  [{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }]  # a number
output [{ name: "count" data_type: TYPE_INT32 dims: [ 1 ] }]                    # so far

sequence_batching {
  max_sequence_idle_microseconds: 1500000
  oldest { max_candidate_sequences: 4 preferred_batch_size: [ 4 ] }
  control_input [{ name: "START" control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] }] }]
}
version_policy { specific { versions: [ 1 ] } }
"""
CLASSIFY = """# A text to the class that it is most probably of.
platform: "ensemble"
max_batch_size: 16

input [{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }]  # UTF-8 text
output [
  { name: "label"         data_type: TYPE_STRING dims: [ 1 ] },  # one of three
  { name: "probabilities" data_type: TYPE_FP32   dims: [ 3 ] }   # classes, sum 1
]

ensemble_scheduling {
  step [
    {
      model_name: "tokens" model_version: -1
      input_map  { key: "text"           value: "text" }
      output_map { key: "input_ids"      value: "ids" }
      output_map { key: "attention_mask" value: "mask" }
    },
    {
      model_name: "scores" model_version: 1
      input_map  { key: "input_ids"      value: "ids" }
      input_map  { key: "attention_mask" value: "mask" }
      output_map { key: "probabilities"  value: "probabilities" }
    },
    {
      model_name: "class_label" model_version: -1
      input_map  { key: "probabilities" value: "probabilities" }
      output_map { key: "label"         value: "label" }
    }
  ]
}
"""
LISTEN = """# Samples to how loud each window of them is.
platform: "ensemble"
max_batch_size: 0

input  [{ name: "samples" data_type: TYPE_FP32 dims: [ -1 ] }]  # any number
output [{ name: "loud" data_type: TYPE_FP32 dims: [ -1, 2 ] }]  # windows x (quiet, loud)

ensemble_scheduling { step [
  { model_name: "windows" model_version: -1
    input_map { key: "samples" value: "samples" } output_map { key: "windows" value: "cut" } },
  { model_name: "loudness" model_version: -1
    input_map { key: "window" value: "cut" } output_map { key: "loud" value: "loud" } }
] }
"""
WRITE = """# A text continued, word by word.
platform: "ensemble"
max_batch_size: 0

input  [{ name: "prompt" data_type: TYPE_STRING dims: [ 1 ] }]  # UTF-8 text
output [{ name: "word" data_type: TYPE_STRING dims: [ 1 ] }]    # one an answer

ensemble_scheduling { step {
  model_name: "stream" model_version: -1
  input_map { key: "prompt" value: "prompt" } output_map { key: "word" value: "word" }
} }
"""
ASK = """# A question to its answer, calling the others from Python.
backend: "python"
max_batch_size: 0

input  [{ name: "question" data_type: TYPE_STRING dims: [ 1 ] }]  # UTF-8 text
output [{ name: "answer" data_type: TYPE_STRING dims: [ 1 ] }]    # UTF-8 text

parameters { key: "calls" value { string_value: "tokens, scores" } }
parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/theirs.tar.gz" } }
"""
ASK_CODE = '''import theirs


class TritonPythonModel(theirs.Asking):
    """Reads its parameters somewhere else."""
'''


def write_check_tree(root: Path) -> Path:
    """The sound tree below `root`."""
    models, pipelines = root / "model_repository", root / "ensembles"
    for folder, config, code in (
        (models / "tokens", TOKENS, TOKENS_CODE),
        (models / "scores", SCORES, None),
        (models / "class_label", LABEL, None),
        (models / "windows", WINDOWS, WINDOWS_CODE),
        (models / "loudness", LOUDNESS, PLAIN_CODE),
        (models / "stream", STREAM, PLAIN_CODE),
        (models / "counter", COUNTER, PLAIN_CODE),
        (pipelines / "classify", CLASSIFY, None),
        (pipelines / "listen", LISTEN, None),
        (pipelines / "write", WRITE, None),
        (pipelines / "ask", ASK, ASK_CODE),
    ):
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text(config)
        if code:
            (folder / "1" / "model.py").write_text(code)
    (models / "windows" / "1" / "cutter.py").write_text("def windows(request): ...\n")
    (models / "README.md").write_text("A file beside the folders harms nobody.\n")
    (models / "class_label" / "labels.txt").write_text("bad\nso-so\ngood\n")
    (models / "loudness" / "loudness.txt").write_text("quiet\nloud\n")
    (models / "tokens" / "warmup").mkdir()
    (models / "tokens" / "warmup" / "text.bin").write_bytes(b"\x05\x00\x00\x00hello")
    (models / "scores" / "warmup").mkdir()
    (models / "scores" / "warmup" / "ones").write_bytes(b"\x01\x00\x00\x00\x00\x00\x00\x00" * 4)
    (root / "backends").symlink_to(ROOT / "backends")
    (root / "base_image").mkdir()
    (root / "base_image" / "requirements.txt").write_text("numpy==1.26.4\n")
    _write_artifacts(root)
    return root


def _write_artifacts(root: Path) -> None:
    """The graph of `scores`, as `convert` would leave it: pinned, locked and proved."""
    weights = root / "starters" / "scores" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"some weights")
    folder = root / "model_repository" / "scores"
    (folder / "recipe.py").write_text(SCORES_RECIPE % sha256_of(weights))
    prove(root, graph())


def prove(root: Path, model: ModelProto) -> None:
    """Put a graph in the place of that of `scores`, with a lock and a ledger that agree with it."""
    folder = Repository(root).model("scores")
    path = folder.version_folder / "model.onnx"
    save_model(model, path)
    ledger.write(folder.ledger_path, {"model.onnx": entry(sha256_of(path), 100.0)})
    lock_artifacts(folder, "starter")


def graph(
    *,
    opset: int = 17,
    ir_version: int = 8,
    batch: int | str = "batch",
    ids_type: int = TensorProto.INT64,
    classes: int | str = 3,
    domain: str = "",
    extra_input: bool = False,
) -> ModelProto:
    """A classifier of three classes, of no use but for its outside."""
    inputs = [
        helper.make_tensor_value_info(name, kind, [batch, "tokens"])
        for name, kind in (("input_ids", ids_type), ("attention_mask", TensorProto.INT64))
    ]
    if extra_input:
        inputs.append(helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, [batch, "tokens"]))
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["states"]),
        helper.make_node("ReduceSum", ["mask", "last"], ["sum"], domain=domain),
        helper.make_node("Concat", ["sum", "sum", "sum"], ["probabilities"], axis=-1),
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, classes]),
        helper.make_tensor_value_info("states", TensorProto.FLOAT, [batch, "tokens", 1]),
    ]
    constants = [numpy_helper.from_array(np.array([-1]), "last")]
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(
        helper.make_graph(nodes, "scores", inputs, outputs, constants),
        opset_imports=opsets,
        ir_version=ir_version,
    )
