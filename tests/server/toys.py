"""A tree of trivial models that start in a second, and calls to them.

`double` and `other` double a number; `wait` sleeps for as many seconds as it is given, then doubles;
`double_and_wait` is the ensemble of both. All take and give `x` and `y`, FP32 [1].
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import numpy as np
import tritonclient.grpc as grpcclient

CONFIG = """# {title}.
backend: "python"
max_batch_size: 64
input  [{{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] }}]  # a number
output [{{ name: "y" data_type: TYPE_FP32 dims: [ 1 ] }}]  # twice that
dynamic_batching {{}}
instance_group [{{ kind: KIND_CPU }}]
"""
MODEL = """
import time
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        numbers = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        {work}
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", 2 * x)]) for x in numbers]
"""
ENSEMBLE = """# Double, wait, double.
platform: "ensemble"
max_batch_size: 64
input  [{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] }]  # a number
output [{ name: "y" data_type: TYPE_FP32 dims: [ 1 ] }]  # four times that
ensemble_scheduling { step [
  { model_name: "double" model_version: -1
    input_map { key: "x" value: "x" } output_map { key: "y" value: "doubled" } },
  { model_name: "wait" model_version: -1
    input_map { key: "x" value: "doubled" } output_map { key: "y" value: "y" } }
] }
"""
WAIT = "time.sleep(max(float(x.max()) for x in numbers))"


def write_toy_tree(root: Path) -> Path:
    for name, work in {"double": "", "other": "", "wait": WAIT}.items():
        write_model(root, name, MODEL.format(work=work))
    ensemble = root / "ensembles" / "double_and_wait"
    (ensemble / "1").mkdir(parents=True)
    (ensemble / "config.pbtxt").write_text(ENSEMBLE)
    return root


def write_model(root: Path, name: str, code: str) -> None:
    folder = root / "model_repository" / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(CONFIG.format(title=name.capitalize()))
    (folder / "1" / "model.py").write_text(code)


def call_http(url: str, model: str, x: float, timeout_s: float = 30) -> float:
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [x]}
    request = urllib.request.Request(
        f"{url}/v2/models/{model}/infer",
        json.dumps({"inputs": [tensor]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return float(json.load(answer)["outputs"][0]["data"][0])


def grpc_input(x: float) -> list[grpcclient.InferInput]:
    tensor = grpcclient.InferInput("x", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.full((1, 1), x, np.float32))
    return [tensor]


def call_grpc(client: grpcclient.InferenceServerClient, model: str, x: float, timeout_s: float = 30) -> float:
    return float(client.infer(model, grpc_input(x), client_timeout=timeout_s).as_numpy("y")[0, 0])
