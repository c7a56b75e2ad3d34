"""Small ONNX graphs for the backend's tests, and the model folders around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

from tritonzoo.runtime.tensors import Array

ATTENTION_CONFIG = """
backend: "onnxruntime"
max_batch_size: 64
input [
  { name: "input_ids"      data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output [
  { name: "embedding" data_type: TYPE_FP32 dims: [ 16 ] },
  { name: "states"    data_type: TYPE_FP32 dims: [ -1, 16 ] }
]
parameters { key: "padding"      value { string_value: "input_ids:1=0, attention_mask:1=0" } }
parameters { key: "padding_mask" value { string_value: "attention_mask" } }
parameters { key: "padding_cut"  value { string_value: "states:1" } }
"""

VOCABULARY, WIDTH = 50, 16


def model_folder(root: Path, config: str, graph: Any, name: str = "toy") -> Path:
    """`root`/`name` with a config.pbtxt and 1/model.onnx."""
    folder = root / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    checker.check_model(graph)
    save(graph, folder / "1" / "model.onnx")
    return folder


def attention(batch: int | str = "batch") -> Any:
    """Self-attention under a mask, with the mean of the marked tokens as embedding."""
    rng = np.random.default_rng(0)

    def constant(name: str, value: Array) -> Any:
        return numpy_helper.from_array(value, name)

    constants = [
        constant("table", rng.normal(size=(VOCABULARY, WIDTH)).astype(np.float32)),
        constant("query", rng.normal(size=(WIDTH, WIDTH)).astype(np.float32)),
        constant("one", np.array(1, np.float32)),
        constant("large", np.array(-1e9, np.float32)),
        constant("axis_1", np.array([1])),
        constant("axis_2", np.array([2])),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("MatMul", ["x", "query"], ["q"]),
        helper.make_node("Transpose", ["x"], ["xt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "xt"], ["scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "mask"], ["unmarked"]),
        helper.make_node("Mul", ["unmarked", "large"], ["shift"]),
        helper.make_node("Unsqueeze", ["shift", "axis_1"], ["row_shift"]),
        helper.make_node("Add", ["scores", "row_shift"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "x"], ["states"]),
        helper.make_node("Unsqueeze", ["mask", "axis_2"], ["column_mask"]),
        helper.make_node("Mul", ["states", "column_mask"], ["marked"]),
        helper.make_node("ReduceSum", ["marked", "axis_1"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "axis_1"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["embedding"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [batch, "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, WIDTH]),
        helper.make_tensor_value_info("states", TensorProto.FLOAT, [batch, "tokens", WIDTH]),
    ]
    return _model(helper.make_graph(nodes, "attention", inputs, outputs, constants))


def doubling(data_type: int = TensorProto.FLOAT, shape: tuple[int | str, ...] = ("batch", 3)) -> Any:
    """y = x + x."""
    return _model(
        helper.make_graph(
            [helper.make_node("Add", ["x", "x"], ["y"])],
            "doubling",
            [helper.make_tensor_value_info("x", data_type, shape)],
            [helper.make_tensor_value_info("y", data_type, shape)],
        )
    )


def _model(graph: Any) -> Any:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
