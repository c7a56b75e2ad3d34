"""A plan's answers and times through trtexec: a stand-in that reads the files it is given, and doubles them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tests.unit.tensorrt_machine import empty_path, fake_program
from tritonzoo.convert.parity import Reference
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.recipe import Shapes, Tolerance
from tritonzoo.tensorrt.builders import PYTHON
from tritonzoo.tensorrt.runs import median_gpu_ms, run_plan
from tritonzoo.tensorrt.shape_profiles import bucket_profiles

PROFILES = bucket_profiles({"x": Shapes((1, 2), (2, 4), (4, 8))}, (4, 8))
CONFIG = text_format.Parse(
    'input [{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }] output [{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }]',
    model_config_pb2.ModelConfig(),
)
TRTEXEC = """
import array, json, pathlib, sys
given = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:])
pathlib.Path(__file__).with_name("arguments.json").write_text(json.dumps(given))
print("[I] GPU Compute Time: min = 0.41 ms, max = 0.9 ms, mean = 0.5 ms, median = 0.4375 ms, percentile(90%) = 0.6 ms")
if "exportOutput" in given:
    name, _, file = given["loadInputs"].partition(":")
    values = array.array("f", pathlib.Path(file).read_bytes())
    written = ", ".join(str(v * 2) for v in values)
    pathlib.Path(given["exportOutput"]).write_text(
        '[ { "name" : "y" , "dimensions" : "' + given["shapes"].split(":")[1] + '" , "values" : [ ' + written + ' ] } ]'
    )
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    return empty_path(tmp_path, monkeypatch)


@pytest.fixture
def run(tmp_path, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    return run_plan(tmp_path / "model.plan", PROFILES, CONFIG, tmp_path / "log")


def double(sample):
    return {"y": sample["x"] * 2}


def test_the_answers_are_those_of_the_plan(run):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    answers = run({"x": x})
    assert answers["y"].dtype == np.float32
    np.testing.assert_array_equal(answers["y"], x * 2)


def test_trtexec_is_told_the_shape_and_the_profile_that_takes_it(run, programs, tmp_path):
    run({"x": np.zeros((2, 3), np.float32)})
    first = json.loads((programs / "arguments.json").read_text())
    run({"x": np.zeros((4, 8), np.float32)})
    second = json.loads((programs / "arguments.json").read_text())
    assert (first["useProfile"], first["shapes"]) == ("0", "x:2x3")
    assert (second["useProfile"], second["shapes"]) == ("1", "x:4x8")
    assert first["loadEngine"] == str(tmp_path / "model.plan")


def test_parity_is_measured_on_a_plan_as_on_any_artifact(run):
    samples = [{"x": np.ones((2, 3), np.float32)}, {"x": np.ones((1, 8), np.float32)}]
    parity = Reference.of(double, samples).compare(run)
    assert parity.errors["y"].max_abs == 0
    assert set(parity.by_bucket) == {"x 2x3", "x 1x8"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_which_are_no_json_are_seen(run, value):
    x = np.array([[1, value]], np.float32)
    np.testing.assert_array_equal(run({"x": x})["y"], x * 2)
    parity = Reference([{"x": x}], [{"y": np.ones((1, 2), np.float32)}]).compare(run)
    with pytest.raises(ParityError, match="NaN or Inf"):
        parity.judge(Tolerance(atol=1.0, why="a test"))


def test_a_sample_outside_of_every_profile_is_named(run):
    with pytest.raises(ConversionError, match=r"no profile takes x:5x2; samples\(\) must stay within"):
        run({"x": np.zeros((5, 2), np.float32)})


def test_the_time_is_the_median_that_trtexec_prints(tmp_path, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    assert median_gpu_ms(tmp_path / "model.plan", PROFILES, {"x": (2, 3)}, tmp_path / "log") == 0.4375


def test_a_plan_of_one_shape_is_told_no_shape(tmp_path, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    median_gpu_ms(tmp_path / "model.plan", (), {"x": (2, 3)}, tmp_path / "log")
    assert set(json.loads((programs / "arguments.json").read_text())) == {"loadEngine"}


def test_a_run_that_prints_no_time_is_an_error(tmp_path, programs):
    fake_program(programs, "trtexec", "print('&&&& PASSED')")
    with pytest.raises(ConversionError, match="did not say how long"):
        median_gpu_ms(tmp_path / "model.plan", PROFILES, {"x": (2, 3)}, tmp_path / "log")


def test_the_python_package_alone_cannot_run_a_plan(tmp_path):
    with pytest.raises(ConversionError, match="put NVIDIA's trtexec on PATH"):
        run_plan(tmp_path / "model.plan", PROFILES, CONFIG, tmp_path / "log", PYTHON)
