"""Which plans are served on which machine, and what the machine is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.tensorrt_machine import empty_path, fake_program
from tritonzoo.errors import RepositoryError, ServerError
from tritonzoo.lock import sha256_of
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt import fit
from tritonzoo.tensorrt.gpus import Gpu, driver_cuda_version, present_gpus, tensorrt_version
from tritonzoo.tensorrt.manifest import PlanManifest, manifest_path

A10, A100, H100 = Gpu("NVIDIA A10", "8.6"), Gpu("NVIDIA A100", "8.0"), Gpu("NVIDIA H100", "9.0")
RTX_3090, T4 = Gpu("NVIDIA GeForce RTX 3090", "8.6"), Gpu("Tesla T4", "7.5")
MANIFEST = PlanManifest(
    plan_sha256="p",
    source="model.fp16.onnx",
    source_sha256="s",
    precision="fp16",
    profiles=({"x": Shapes((1, 2), (4, 8), (8, 16))},),
    gpu=A10,
    tensorrt_version="10.5.0.18",
    cuda_version="12.6",
    version_compatible=False,
    hardware_compatibility="none",
    built_by="trtexec",
    built_at="2026-11-22T20:00:00+00:00",
    command="trtexec --onnx=model.fp16.onnx",
)
AMPERE_UP = {"hardware_compatibility": "ampere+"}
LATER = {"version_compatible": True}
OLD = {"version_compatible": True, "tensorrt_version": "8.6.1"}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    return empty_path(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("built", "gpus", "tensorrt", "reason"),
    [
        ({}, [A10], "10.5.0.18", None),
        ({}, [A10], "10.5.0", None),  # a library's file name has no build number
        ({}, [RTX_3090], "10.5.0", None),  # the same compute capability
        ({}, [A10, RTX_3090], "10.5.0", None),
        ({}, [], "10.5.0", "this machine has no NVIDIA GPU"),
        ({}, [A10], None, "this server has no TensorRT"),
        ({}, [A100], "10.5.0",
         "it was built for NVIDIA A10 (compute capability 8.6), and this machine has NVIDIA A100 (compute capability 8.0)"),
        ({}, [A10, H100], "10.5.0",
         "it was built for NVIDIA A10 (compute capability 8.6), and this machine has NVIDIA H100 (compute capability 9.0)"),
        ({}, [A10], "10.5.0.19", "it was built by TensorRT 10.5.0.18, and this server has 10.5.0.19"),
        ({}, [A10], "10.6.0", "it was built by TensorRT 10.5.0.18, and this server has 10.6.0"),
        ({}, [A10], "10.4.0", "it was built by TensorRT 10.5.0.18, and this server has 10.4.0"),
        (AMPERE_UP, [A100], "10.5.0", None),
        (AMPERE_UP, [H100], "10.5.0", None),
        (AMPERE_UP, [Gpu("GPU", "10.0")], "10.5.0", None),
        (AMPERE_UP, [T4], "10.5.0",
         "it was built for GPUs of compute capability 8.0 and up, and this machine has Tesla T4 (compute capability 7.5)"),
        (AMPERE_UP, [A100], "10.6.0", "it was built by TensorRT 10.5.0.18, and this server has 10.6.0"),
        (LATER, [A10], "10.10.0", None),
        (LATER, [A10], "11.5.0", None),
        (LATER, [A10], "12.0.0", "it was built by TensorRT 10.5.0.18 or a later one, and this server has 12.0.0"),
        (LATER, [A10], "10.4.9", "it was built by TensorRT 10.5.0.18 or a later one, and this server has 10.4.9"),
        (LATER, [A100], "10.6.0",
         "it was built for NVIDIA A10 (compute capability 8.6), and this machine has NVIDIA A100 (compute capability 8.0)"),
        (OLD, [A10], "10.5.0", None),
        (OLD, [A10], "11.0.0", "it was built by TensorRT 8.6.1 or a later one, and this server has 11.0.0"),
    ],
)  # fmt: skip
def test_a_plan_fits_its_compute_capability_and_its_tensorrt(built, gpus, tensorrt, reason):
    assert fit.why_not(replace(MANIFEST, **built), gpus, tensorrt) == reason


def test_a_gpu_of_another_name_is_cautioned_of_and_its_own_is_not():
    assert fit.caution(MANIFEST, [A10]) is None
    assert fit.caution(MANIFEST, [A10, RTX_3090]) == (
        "its kernels were timed on NVIDIA A10, and this machine has NVIDIA GeForce RTX 3090; build it here"
    )


def test_the_line_for_the_log_says_why_what_serves_and_how_to_build():
    line = fit.left_on_onnx(
        "sentiment", Path("1/model.fp16.plan"), "this server has no TensorRT", "model.fp16.onnx",
        "tritonzoo convert sentiment --to tensorrt --precision fp16",
    )  # fmt: skip
    assert line == (
        "sentiment: model.fp16.plan is not served: this server has no TensorRT. model.fp16.onnx serves instead. "
        "Build the plan here: tritonzoo convert sentiment --to tensorrt --precision fp16"
    )


class TestOnAMachine:
    @pytest.fixture
    def plan(self, tmp_path, programs, monkeypatch):
        """A plan that fits: its GPU, its TensorRT, its source beside it."""
        fake_program(programs, "nvidia-smi", "print('NVIDIA A10, 8.6, 560.35.03')")
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "libnvinfer.so.10.5.0").touch()
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))
        plan, source = tmp_path / "model.fp16.plan", tmp_path / "model.fp16.onnx"
        plan.write_bytes(b"a plan")
        source.write_bytes(b"a graph")
        replace(MANIFEST, plan_sha256=sha256_of(plan), source_sha256=sha256_of(source)).write(plan)
        return plan

    def test_a_whole_plan_that_fits_is_served(self, plan):
        assert fit.why_not_here(plan) is None

    def test_a_plan_without_its_source_is_served(self, plan):
        plan.with_name("model.fp16.onnx").unlink()
        assert fit.why_not_here(plan) is None

    def test_an_absent_plan(self, plan):
        plan.unlink()
        assert fit.why_not_here(plan) == "it was never built"

    def test_a_plan_without_a_manifest(self, plan):
        manifest_path(plan).unlink()
        assert fit.why_not_here(plan) == "it has no manifest, so nobody knows for which GPU it is"

    def test_a_flipped_byte(self, plan):
        plan.write_bytes(b"b plan")
        assert fit.why_not_here(plan) == "its bytes are not those that its manifest describes"

    def test_a_newer_source(self, plan):
        plan.with_name("model.fp16.onnx").write_bytes(b"another graph")
        assert fit.why_not_here(plan) == "model.fp16.onnx has changed since it was built"

    def test_a_driver_that_does_not_answer(self, plan, programs):
        fake_program(
            programs, "nvidia-smi", "import sys; sys.exit('Failed to initialize NVML: version mismatch')"
        )
        assert fit.why_not_here(plan) == "nvidia-smi fails: Failed to initialize NVML: version mismatch"

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"profiles": [{"x": {}}]}', '{"profiles": []}'])
    def test_a_manifest_that_is_none(self, plan, text):
        manifest_path(plan).write_text(text)
        assert "not the manifest of a plan" in (fit.why_not_here(plan) or "")
        with pytest.raises(RepositoryError, match="build the plan again"):
            PlanManifest.read(plan)

    def test_a_machine_without_gpus(self, plan, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert fit.why_not_here(plan) == "this machine has no NVIDIA GPU"


def test_gpus_are_those_that_nvidia_smi_lists(programs):
    fake_program(programs, "nvidia-smi", "print('NVIDIA A10, 8.6, 560.35.03\\nNVIDIA H100, 9.0, 560.35.03')")
    assert present_gpus() == (Gpu("NVIDIA A10", "8.6", "560.35.03"), Gpu("NVIDIA H100", "9.0", "560.35.03"))


def test_hidden_gpus_are_not_asked_for(programs):
    fake_program(
        programs,
        "nvidia-smi",
        "import sys; print(sys.argv[-1].replace('--id=', 'GPU '), '8.6', '1', sep=', ')",
    )
    assert present_gpus({"CUDA_VISIBLE_DEVICES": "1"}) == (Gpu("GPU 1", "8.6", "1"),)


@pytest.mark.parametrize("visible", ["", " ", "-1"])
def test_no_gpu_is_visible_when_all_are_hidden(programs, visible):
    fake_program(programs, "nvidia-smi", "print('NVIDIA A10, 8.6, 560.35.03')")
    assert present_gpus({"CUDA_VISIBLE_DEVICES": visible}) == ()


def test_a_machine_without_a_driver_has_no_gpu(programs):
    assert present_gpus() == ()
    assert driver_cuda_version() == ""


def test_an_old_driver_that_does_not_know_the_question_is_named(programs):
    fake_program(programs, "nvidia-smi", "print('NVIDIA A10')")
    with pytest.raises(ServerError, match="update the NVIDIA driver"):
        present_gpus()


@pytest.mark.parametrize(
    ("libraries", "environment", "version"),
    [
        ((), {}, None),
        ((), {"TRT_VERSION": "10.5.0.18"}, None),  # left over in the environment, no library
        (("libnvinfer.so.10.5.0",), {}, "10.5.0"),
        (("libnvinfer.so.10.5.0",), {"TRT_VERSION": "10.5.0.18"}, "10.5.0.18"),
        (("libnvinfer.so.10.5.0",), {"TRT_VERSION": "10.5.0.18+cuda12.6"}, "10.5.0.18"),
        (("libnvinfer.so.10.5.0",), {"TRT_VERSION": "10.50.0"}, "10.5.0"),
        (("libnvinfer.so.10.5.0",), {"TRT_VERSION": "unknown"}, "10.5.0"),
        (("libnvinfer_plugin.so.10.5.0", "libnvinfer.so.10"), {}, None),
    ],
)
def test_tensorrt_is_what_its_library_is(tmp_path, libraries, environment, version):
    for name in libraries:
        (tmp_path / name).touch()
    assert tensorrt_version(environment, [tmp_path]) == version


def test_a_link_to_the_library_leads_to_its_version(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "libnvinfer.so.10.5.0").touch()
    (tmp_path / "libnvinfer.so.10").symlink_to(tmp_path / "elsewhere" / "libnvinfer.so.10.5.0")
    assert tensorrt_version({}, [tmp_path]) == "10.5.0"
