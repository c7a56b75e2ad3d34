"""tritonzoo.testing stands in for Triton: it is as strict, and hands models what Triton hands them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.answers import refused, served
from tritonzoo.testing import load_model, model_config, pb_utils

CONFIG = """
backend: "python"
max_batch_size: 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true },
  { name: "t" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output [{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }]
dynamic_batching { max_queue_delay_microseconds: 1000 }
parameters { key: "a" value { string_value: "b" } }
optimization { graph { level: -1 } }
instance_group [{ kind: KIND_CPU count: 1 }]
model_warmup [{
  name: "zero" batch_size: 1
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } }
}]
"""

# What `initialize` got for CONFIG from Triton 2.51.0 (nvidia-pytriton 0.7.0), model named "m".
AS_TRITON_GAVE_IT = """{"name":"m","platform":"","backend":"python","runtime":"","version_policy":{"latest":
{"num_versions":1}},"max_batch_size":8,"input":[{"name":"x","data_type":"TYPE_FP32","format":"FORMAT_NONE",
"dims":[-1],"is_shape_tensor":false,"allow_ragged_batch":true,"optional":false,
"is_non_linear_format_io":false},{"name":"t","data_type":"TYPE_STRING","format":"FORMAT_NONE","dims":[1],
"is_shape_tensor":false,"allow_ragged_batch":false,"optional":true,"is_non_linear_format_io":false}],
"output":[{"name":"y","data_type":"TYPE_FP32","dims":[-1],"label_filename":"","is_shape_tensor":false,
"is_non_linear_format_io":false}],"batch_input":[],"batch_output":[],"optimization":{"graph":{"level":-1},
"priority":"PRIORITY_DEFAULT","input_pinned_memory":{"enable":true},"output_pinned_memory":{"enable":true},
"gather_kernel_buffer_threshold":0,"eager_batching":false},"dynamic_batching":{"preferred_batch_size":[8],
"max_queue_delay_microseconds":1000,"preserve_ordering":false,"priority_levels":0,"default_priority_level":0,
"priority_queue_policy":{}},"instance_group":[{"name":"m_0","kind":"KIND_CPU","count":1,"gpus":[],
"secondary_devices":[],"profile":[],"passive":false,"host_policy":""}],"default_model_filename":"model.py",
"cc_model_filenames":{},"metric_tags":{},"parameters":{"a":{"string_value":"b"}},"model_warmup":[{"name":
"zero","batch_size":1,"inputs":{"x":{"data_type":"TYPE_FP32","dims":[4],"zero_data":true}},"count":0}]}"""

ECHO = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.args = args

    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(r, "x").as_numpy())])
            for r in requests
        ]
"""


def folder_of(root: Path, source: str = ECHO, config: str = CONFIG, name: str = "m") -> Path:
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(config)
    (root / name / "1" / "model.py").write_text(source)
    return root / name


def test_a_configuration_is_the_json_that_triton_hands_to_initialize(tmp_path: Path) -> None:
    assert model_config(folder_of(tmp_path)) == json.loads(AS_TRITON_GAVE_IT)


def test_a_python_based_onnxruntime_gets_two_cpu_instances_unless_told_otherwise(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, config='backend: "onnxruntime"')
    assert [group["count"] for group in model_config(folder)["instance_group"]] == [2]


def test_a_profile_is_used_where_the_model_has_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "configs").mkdir()
    (folder / "configs" / "cpu.pbtxt").write_text(CONFIG.replace("max_batch_size: 8", "max_batch_size: 2"))
    assert model_config(folder, "cpu")["max_batch_size"] == 2
    assert model_config(folder, "gpu")["max_batch_size"] == 8


def test_a_model_that_knows_nothing_of_tritonzoo_is_loaded_and_called(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with load_model(folder, parameters={"a": "changed"}) as model:
        assert model.infer(x=np.array([[1, 2]], np.float32))["y"].tolist() == [[1, 2]]
        assert json.loads(model.model.args["model_config"])["parameters"]["a"] == {"string_value": "changed"}
        assert model.model.args["model_repository"] == str(folder)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": np.ones((1, 2), np.float64)}, "input 'x' is float64, and the model takes TYPE_FP32"),
        ({"x": np.ones(2, np.float32)}, "has shape [2], not [-1, -1]"),
        ({"t": [["a"]]}, "input 'x' is missing"),
        ({"x": np.ones((1, 2), np.float32), "z": np.ones(1)}, "unknown input 'z'; this model has ['t', 'x']"),
        ({"x": np.ones((9, 2), np.float32)}, "batch sizes [9] with max_batch_size 8"),
        ({"x": np.ones((2, 2), np.float32), "t": [["a"]]}, "batch sizes [1, 2]"),
    ],
)
def test_a_request_that_triton_refuses_does_not_reach_the_model(
    tmp_path: Path, inputs: dict[str, object], words: str
) -> None:
    good = {"x": np.ones((1, 1), np.float32)}
    error, answer = load_model(folder_of(tmp_path)).infer_batch([inputs, good])
    assert words in refused(error).message
    served(answer)


def test_what_a_model_changes_in_place_does_not_change_the_tests_array(tmp_path: Path) -> None:
    source = ECHO.replace("return [", "requests[0].inputs()[0].as_numpy()[:] = 9\n        return [")
    mine = np.ones((1, 2), np.float32)
    assert load_model(folder_of(tmp_path, source)).infer(x=mine)["y"].tolist() == [[9, 9]]
    assert mine.tolist() == [[1, 1]]


def test_siblings_of_one_name_in_two_models_do_not_mix(tmp_path: Path) -> None:
    source = ECHO.replace("class", "from scale import FACTOR\nclass").replace(
        ".as_numpy()", ".as_numpy() * FACTOR"
    )
    answers = []
    path_before = list(sys.path)
    for name, factor in (("first", 2), ("second", 5)):
        folder = folder_of(tmp_path, source, name=name)
        (folder / "1" / "scale.py").write_text(f"FACTOR = {factor}\n")
        with load_model(folder) as model:
            answers.append(model.infer(x=np.ones((1, 1), np.float32))["y"].item())
    assert answers == [2, 5]
    assert sys.path == path_before


def test_a_backend_is_found_above_the_model_or_the_error_says_where_it_was_looked_for(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model_repository", config=CONFIG.replace('"python"', '"mine"'))
    with pytest.raises(FileNotFoundError, match="no Python-based backend 'mine' for m"):
        load_model(folder)
    (tmp_path / "backends" / "mine").mkdir(parents=True)
    (tmp_path / "backends" / "mine" / "model.py").write_text(ECHO)
    assert load_model(folder).infer(x=np.ones((1, 1), np.float32))["y"].tolist() == [[1]]


def test_text_survives_its_serialised_form_byte_for_byte() -> None:
    texts = np.array([["plain", b"nul\0 at end\0"], ["žluť", b""]], dtype=object)
    tensor = pb_utils.Tensor("t", texts)
    assert tensor.shape() == [2, 2]
    assert tensor.as_numpy().tolist() == [[b"plain", b"nul\0 at end\0"], ["žluť".encode(), b""]]
    assert pb_utils.serialize_byte_tensor(np.array([b"ab"], dtype=object)) == b"\x02\0\0\0ab"


def test_calling_a_model_that_nobody_stands_in_for_says_how_to() -> None:
    response = pb_utils.InferenceRequest(model_name="other").exec()
    error = response.error()
    assert error is not None
    assert (
        "Model 'other' is not ready; in a test, load_model(..., calls={'other': function})" in error.message()
    )
