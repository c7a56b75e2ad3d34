"""Building a plan: a real process is started each time, only TensorRT in it is not the real one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.tensorrt_machine import TRTEXEC, TRTEXEC_LOG, empty_path, fake_program
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.lock import sha256_of
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt import builders
from tritonzoo.tensorrt.gpus import Gpu
from tritonzoo.tensorrt.manifest import PlanManifest, manifest_path
from tritonzoo.tensorrt.plan import PlanFromOnnx
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, one_profile

SHAPES = {"x": Shapes((1, 2), (4, 8), (8, 16))}
NVIDIA_SMI = """
import sys
print("NVIDIA A10, 8.6, 560.35.03" if "--format=csv,noheader" in sys.argv else "| CUDA Version: 12.6     |")
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    return empty_path(tmp_path, monkeypatch)


@pytest.fixture
def plan(tmp_path):
    folder = tmp_path / "model" / "1"
    folder.mkdir(parents=True)
    (folder / "model.fp16.onnx").write_bytes(b"a graph")
    return PlanFromOnnx(folder / "model.fp16.onnx", folder / "model.fp16.plan", "fp16", one_profile(SHAPES))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "model" / "logs" / "model.fp16.plan.log"


def put_previous(plan):
    plan.target.write_bytes(b"the previous plan")
    manifest_path(plan.target).write_text("the previous manifest")


def assert_previous_is_untouched(plan):
    assert plan.target.read_bytes() == b"the previous plan"
    assert manifest_path(plan.target).read_text() == "the previous manifest"
    assert sorted(path.name for path in plan.target.parent.iterdir()) == [
        "model.fp16.onnx", "model.fp16.plan", "model.fp16.plan.json",
    ]  # fmt: skip


def test_trtexec_gets_the_arguments_and_its_plan_is_put_in_place(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    steps = []
    plan.build(log, steps.append)
    given = json.loads((programs / "arguments.json").read_text())
    assert [a for a in given if not a.startswith("--saveEngine=")] == [
        a for a in plan.arguments() if not a.startswith("--saveEngine=")
    ]
    assert plan.target.read_bytes() == b"a plan"
    assert steps == [
        "starting trtexec", "reading the graph", "timing kernels on the GPU (minutes)", "writing the plan",
        "proving the plan",
    ]  # fmt: skip


def test_the_manifest_says_where_the_plan_runs_and_what_made_it(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    fake_program(programs, "nvidia-smi", NVIDIA_SMI)
    made = plan.build(log)
    assert PlanManifest.read(plan.target) == made
    assert made.gpu == Gpu("NVIDIA A10", "8.6", "560.35.03")
    assert (made.tensorrt_version, made.cuda_version) == ("10.5.0.18", "12.6")
    assert (made.source, made.source_sha256) == ("model.fp16.onnx", sha256_of(plan.source))
    assert made.plan_sha256 == sha256_of(plan.target)
    assert made.profiles == (SHAPES,)
    assert made.command == shlex.join(plan.command())


def test_several_profiles_come_back_from_the_manifest_as_they_were(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    profiles = bucket_profiles(SHAPES, (4, 16))
    PlanFromOnnx(plan.source, plan.target, "fp16", profiles).build(log)
    assert PlanManifest.read(plan.target).profiles == profiles


def test_the_log_opens_with_the_command_that_repeats_the_build(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    plan.build(log)
    first, *rest = log.read_text().splitlines()
    assert first == f"$ {shlex.join(plan.command())}"
    assert "\n".join(rest) == f"{TRTEXEC_LOG}\nexit status 0"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import sys; print('[E] Error[4]: x is bad\\ngoodbye'); sys.exit(1)",
            r"status 1: \[E\] Error\[4\]: x is bad; ",
        ),
        ("import sys; sys.exit('error: out of memory')", "status 1: error: out of memory"),
        ("import sys; print('last words'); sys.exit(3)", "status 3: last words"),
        ("import os; os.kill(os.getpid(), 11)", "status -11: it printed nothing"),
        (f"print('''{TRTEXEC_LOG}''')", "without an error and without a plan"),
        (TRTEXEC.replace('b"a plan"', 'b""'), "without an error and without a plan"),
        (TRTEXEC.replace("[TensorRT v100500]", ""), "does not say which TensorRT"),
        (TRTEXEC.replace("Compute Capability", ""), "on which GPU"),
    ],
)
def test_a_failed_build_says_why_and_leaves_the_previous_plan(plan, log, programs, code, reason):
    fake_program(programs, "trtexec", code)
    put_previous(plan)
    with pytest.raises(ConversionError, match=reason) as refused:
        plan.build(log)
    assert str(log) in str(refused.value)
    assert_previous_is_untouched(plan)


def test_a_plan_is_proved_before_it_is_put_in_place(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    put_previous(plan)
    seen = []

    def prove(staged, manifest):
        seen.append(
            (staged.read_bytes(), manifest.plan_sha256 == sha256_of(staged), plan.target.read_bytes())
        )

    plan.build(log, prove=prove)
    assert seen == [(b"a plan", True, b"the previous plan")]
    assert plan.target.read_bytes() == b"a plan"


def test_a_plan_that_is_not_proved_leaves_the_previous_one(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    put_previous(plan)

    def prove(staged, manifest):
        raise ParityError("output y differs")

    with pytest.raises(ParityError, match="output y differs"):
        plan.build(log, prove=prove)
    assert_previous_is_untouched(plan)


def test_a_gpu_that_the_log_does_not_name_is_asked_of_the_driver(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC.replace("Compute Capability", ""))
    fake_program(programs, "nvidia-smi", NVIDIA_SMI)
    assert plan.build(log).gpu == Gpu("NVIDIA A10", "8.6", "560.35.03")


def test_an_absent_graph_is_named_and_nothing_is_started(plan, log, programs):
    fake_program(programs, "trtexec", TRTEXEC)
    plan.source.unlink()
    with pytest.raises(ConversionError, match=r"model\.fp16\.onnx: No such file"):
        plan.build(log)
    assert not log.exists()


def test_ctrl_c_stops_the_build_and_leaves_the_previous_plan(plan, log, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    slow = TRTEXEC.replace("import json", "import os, time, json") + (
        "pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    )
    fake_program(folder, "trtexec", slow)
    put_previous(plan)
    script = f"""
from pathlib import Path
from tritonzoo.tensorrt.plan import PlanFromOnnx
from tritonzoo.recipe import Shapes
PlanFromOnnx(Path({str(plan.source)!r}), Path({str(plan.target)!r}), "fp16",
             ({{"x": Shapes((1, 2), (4, 8), (8, 16))}},)).build(Path({str(log)!r}))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PATH": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    pid_file = folder / "pid"
    wait_until(lambda: pid_file.is_file() and pid_file.read_text())
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in error
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert_previous_is_untouched(plan)
    assert log.read_text().endswith("stopped: KeyboardInterrupt\n")


def test_without_any_of_the_three_the_error_names_all_three(plan, log, programs):
    with pytest.raises(ConversionError) as refused:
        plan.build(log)
    for way in ("trtexec on PATH", "pip install tensorrt==10.5.0", "Docker", "--dry-run"):
        assert way in str(refused.value)


def test_docker_is_taken_when_there_is_neither_trtexec_nor_the_package(plan, log, programs):
    fake_program(programs, "docker", TRTEXEC)
    made = plan.build(log)
    given = json.loads((programs / "arguments.json").read_text())
    assert given[:4] == ["run", "--rm", "--init", "--gpus=all"]
    assert f"--volume={plan.source.parent}:{plan.source.parent}" in given
    assert made.built_by == f"the container {builders.IMAGE}"


def test_trtexec_goes_before_docker(programs):
    fake_program(programs, "docker", TRTEXEC)
    fake_program(programs, "trtexec", TRTEXEC)
    assert builders.find_builder() == builders.TRTEXEC


def wait_until(happened, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
