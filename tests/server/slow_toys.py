"""Pipelines that are slow for one known reason each: what `explain` must find, and nothing else.

Each is an ensemble; the inputs for all of them are in `requests.jsonl`. By hand, in the tree that
`write_slow_tree` writes: tritonzoo explain waits_for_one --inputs requests.jsonl --concurrency 8 --json
"""

from __future__ import annotations

import json
from pathlib import Path

NUMBERS = 64
MANY_NUMBERS = 500_000

MODEL = """import time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        numbers = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        {work}
        return [pb_utils.InferenceResponse([pb_utils.Tensor("x", {answer})]) for x in numbers]
"""
CONFIG = """# {title}.
backend: "python"
max_batch_size: {batch}
input  [{{ name: "x" data_type: TYPE_FP32 dims: [ {size} ] }}]  # numbers
output [{{ name: "x" data_type: TYPE_FP32 dims: [ {size} ] }}]  # the same
{batching}
instance_group [{{ kind: KIND_CPU }}]
"""
ENSEMBLE = """# {title}.
platform: "ensemble"
max_batch_size: {batch}
input  [{{ name: "x" data_type: TYPE_FP32 dims: [ {size} ] }}]  # numbers
output [{{ name: "y" data_type: TYPE_FP32 dims: [ {size} ] }}]  # the same
ensemble_scheduling {{ step [ {steps} ] }}
"""
STEP = """{{ model_name: "{name}" model_version: -1
  input_map {{ key: "x" value: "{takes}" }} output_map {{ key: "x" value: "{gives}" }} }}"""

# Pipeline: its models, what one does, rows that it takes at once, how Triton gathers them, numbers in a row.
SLEEP = "time.sleep(0.01)"
PIPELINES = {
    "waits_for_one": (("one_at_a_time",), SLEEP, 8, "", NUMBERS),
    "waits_for_two": (("two_at_a_time",), SLEEP, 2, "dynamic_batching {}", NUMBERS),
    "hands_over_much": (("mover",), "", 8, "dynamic_batching {}", MANY_NUMBERS),
    "many_small_steps": (("first", "second", "third", "fourth"), "", 8, "dynamic_batching {}", NUMBERS),
    "steady": (("worker",), SLEEP, 64, "dynamic_batching {}", NUMBERS),
}


def write_slow_tree(root: Path) -> Path:
    """The tree, and requests.jsonl for the pipelines of few numbers, many.jsonl for hands_over_much."""
    for pipeline, (models, work, batch, batching, size) in PIPELINES.items():
        for model in models:
            folder = root / "model_repository" / model
            (folder / "1").mkdir(parents=True)
            config = CONFIG.format(title=model, batch=batch, batching=batching, size=size)
            (folder / "config.pbtxt").write_text(config)
            (folder / "1" / "model.py").write_text(MODEL.format(work=work or "pass", answer="x"))
        tensors = ["x", *(f"after_{model}" for model in models[:-1]), "y"]
        steps = ",\n".join(
            STEP.format(name=model, takes=takes, gives=gives)
            for model, takes, gives in zip(models, tensors, tensors[1:], strict=False)
        )
        folder = root / "ensembles" / pipeline
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text(
            ENSEMBLE.format(title=pipeline, batch=batch, size=size, steps=steps)
        )
    for name, size in (("requests", NUMBERS), ("many", MANY_NUMBERS)):
        (root / f"{name}.jsonl").write_text(json.dumps({"x": [1.5] * size}) + "\n")
    return root
