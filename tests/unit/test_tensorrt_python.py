"""The build through TensorRT's Python package, over a stand-in for the package that records its calls.

It proves the order and the names of the calls, as TensorRT 10's documentation has them, and what is read and
written around them; that TensorRT accepts them is not proved here.
"""

from __future__ import annotations

import json

import pytest

from tests.unit.tensorrt_machine import empty_path, fake_program
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt.builders import PYTHON
from tritonzoo.tensorrt.manifest import PlanManifest
from tritonzoo.tensorrt.plan import PlanFromOnnx
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, one_profile

SHAPES = {"x": Shapes((1, 2), (4, 8), (8, 16))}

# Every call is appended to $CALLS; attributes that are set are recorded as calls of "name=".
TENSORRT = """
import enum, json, os
__version__ = "10.5.0"
def record(*call):
    with open(os.environ["CALLS"], "a") as file:
        file.write(json.dumps(call, default=str) + "\\n")
class Recorded:
    def __setattr__(self, name, value): record(name + "=", value)
class Logger:
    INFO = 3
    def __init__(self, level): record("Logger", level)
class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1
class MemoryPoolType(enum.Enum):
    WORKSPACE = 0
class HardwareCompatibilityLevel(enum.Enum):
    AMPERE_PLUS = 1
BuilderFlag = enum.Enum("BuilderFlag", os.environ.get("FLAGS", "FP16 INT8 TF32 VERSION_COMPATIBLE"))
class Bytes:
    def serialize(self): return b"timings"
class Profile:
    def __init__(self): self.shapes = []
    def set_shape(self, *shape): self.shapes.append(shape)
class Config(Recorded):
    def set_memory_pool_limit(self, *limit): record("set_memory_pool_limit", *limit)
    def set_flag(self, flag): record("set_flag", flag)
    def clear_flag(self, flag): record("clear_flag", flag)
    def add_optimization_profile(self, profile):
        record("add_optimization_profile", *profile.shapes)
        return int(os.environ.get("PROFILE_INDEX", 0))
    def create_timing_cache(self, known): record("create_timing_cache", known); return Bytes()
    def set_timing_cache(self, cache, ignore_mismatch): record("set_timing_cache", ignore_mismatch)
    def get_timing_cache(self): return Bytes()
class Builder:
    def __init__(self, logger): record("Builder")
    def create_network(self, flags): record("create_network", flags); return "network"
    def create_builder_config(self): record("create_builder_config"); return Config()
    def create_optimization_profile(self): return Profile()
    def build_serialized_network(self, network, config):
        record("build_serialized_network", network)
        return None if "UNBUILDABLE" in os.environ else b"a plan"
class OnnxParser:
    num_errors = 2
    def __init__(self, network, logger): record("OnnxParser", network)
    def parse_from_file(self, path): record("parse_from_file", path); return "UNREADABLE" not in os.environ
    def get_error(self, index): return ["no such operator", "and no other"][index]
"""
NVIDIA_SMI = """
import sys
print("NVIDIA A10, 8.6, 560.35.03" if len(sys.argv) > 1 else "CUDA Version: 12.6")
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Where the stand-in records; it is found through PYTHONPATH by the process that is started."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "tensorrt.py").write_text(TENSORRT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    fake_program(empty_path(tmp_path, monkeypatch), "nvidia-smi", NVIDIA_SMI)
    return lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def plan(folder, precision="fp16", profiles=None, **options):
    (folder / "model.onnx").write_bytes(b"a graph")
    profiles = profiles or one_profile(SHAPES)
    return PlanFromOnnx(folder / "model.onnx", folder / "model.plan", precision, profiles, **options)


def test_the_calls_of_a_build_in_their_order(calls, tmp_path):
    (tmp_path / "timings").write_bytes(b"old")
    made = plan(tmp_path, timing_cache=tmp_path / "timings").build(tmp_path / "log", builder=PYTHON)
    assert calls() == [
        ["Logger", 3],
        ["Builder"],
        ["create_network", 2],
        ["OnnxParser", "network"],
        ["parse_from_file", str(tmp_path / "model.onnx")],
        ["create_builder_config"],
        ["set_memory_pool_limit", "MemoryPoolType.WORKSPACE", 2048 * 1024 * 1024],
        ["builder_optimization_level=", 3],
        ["clear_flag", "BuilderFlag.TF32"],
        ["add_optimization_profile", ["x", [1, 2], [4, 8], [8, 16]]],
        ["create_timing_cache", "b'old'"],
        ["set_timing_cache", False],
        ["build_serialized_network", "network"],
    ]
    assert (tmp_path / "model.plan").read_bytes() == b"a plan"
    assert (tmp_path / "timings").read_bytes() == b"timings"
    assert made == PlanManifest.read(tmp_path / "model.plan")
    assert (made.gpu.name, made.tensorrt_version) == ("NVIDIA A10", "10.5.0")


def test_every_profile_is_added_in_order(calls, tmp_path):
    plan(tmp_path, profiles=bucket_profiles(SHAPES, (4, 16))).build(tmp_path / "log", builder=PYTHON)
    assert [call[1:] for call in calls() if call[0] == "add_optimization_profile"] == [
        [["x", [1, 2], [4, 4], [8, 4]]],
        [["x", [1, 5], [4, 16], [8, 16]]],
    ]


def test_compatible_plans_and_best_set_their_flags(calls, tmp_path):
    options = {"version_compatible": True, "hardware_compatibility": "ampere+", "optimization_level": 5}
    plan(tmp_path, "best", **options).build(tmp_path / "log", builder=PYTHON)
    made = calls()
    assert ["create_network", 0] in made
    assert [call[1] for call in made if call[0] == "set_flag"] == [
        "BuilderFlag.FP16", "BuilderFlag.INT8", "BuilderFlag.VERSION_COMPATIBLE",
    ]  # fmt: skip
    assert ["hardware_compatibility_level=", "HardwareCompatibilityLevel.AMPERE_PLUS"] in made
    assert ["builder_optimization_level=", 5] in made
    assert not [call for call in made if call[0] == "clear_flag"]


@pytest.mark.parametrize(
    ("environment", "precision", "reason"),
    [
        ({"UNREADABLE": "1"}, "fp16", "cannot read .*model.onnx: no such operator; and no other"),
        ({"UNBUILDABLE": "1"}, "fp16", "could not build the plan"),
        ({"PROFILE_INDEX": "-1"}, "fp16", "refuses the shape profile"),
        ({"FLAGS": "TF32"}, "best", "no longer chooses the precision itself; build fp16 or int8"),
    ],
)
def test_a_refusal_of_tensorrt_is_the_error(calls, tmp_path, monkeypatch, environment, precision, reason):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConversionError, match=reason):
        plan(tmp_path, precision).build(tmp_path / "log", builder=PYTHON)
    assert not (tmp_path / "model.plan").exists()
