"""The backend directory, the environment and the command line of the server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tritonzoo.embedded import layout, preflight
from tritonzoo.embedded.command import command, hidden_options
from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.errors import PreflightError

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def wheel(tmp_path: Path) -> layout.Wheel:
    root = tmp_path / "wheel"
    for file in (
        "backends/python/libtriton_python.so",
        "backends/python/triton_python_backend_utils.py",
        f"python_backend_stubs/{PYTHON}/triton_python_backend_stub",
    ):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(file)
    return layout.Wheel(root)


def test_the_library_is_a_file_and_everything_else_a_symlink(wheel: layout.Wheel, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("tokenizer", "onnxruntime"):
        (tree / "backends" / name).mkdir(parents=True)
        (tree / "backends" / name / "model.py").touch()
    (tree / "backends" / "notes").mkdir()
    target = layout.assemble_backends(wheel, tree, tmp_path / "backends")
    assert sorted(path.name for path in target.iterdir()) == ["onnxruntime", "python", "tokenizer"]
    library = target / "python" / "libtriton_python.so"
    assert not library.is_symlink()
    assert library.read_text() == "backends/python/libtriton_python.so"
    stub = target / "python" / "triton_python_backend_stub"
    assert stub.resolve() == wheel.stub()
    assert (target / "tokenizer").resolve() == tree / "backends" / "tokenizer"


def test_an_image_s_own_python_backend_is_linked_as_a_whole(wheel: layout.Wheel, tmp_path: Path) -> None:
    (wheel.backends / "python" / layout.STUB).touch()
    assert wheel.stub((3, 99)) == wheel.backends / "python" / layout.STUB
    target = layout.assemble_backends(wheel, tmp_path, tmp_path / "backends")
    assert (target / "python").readlink() == wheel.backends / "python"


def test_native_backends_take_the_place_of_ours(
    wheel: layout.Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (wheel.backends / "onnxruntime", wheel.backends / "tensorrt", wheel.root / "bin"):
        folder.mkdir()
    wheel.server.touch()
    (wheel.backends / "python" / layout.STUB).touch()
    for name in ("tokenizer", "onnxruntime"):
        (tmp_path / "backends" / name).mkdir(parents=True)
        (tmp_path / "backends" / name / "model.py").touch()
    monkeypatch.setenv(layout.INSTALLED_VARIABLE, str(wheel.root))
    installed = layout.find_wheel()
    target = layout.assemble_backends(installed, tmp_path, tmp_path / "assembled")
    assert {path.name: path.resolve().parent for path in target.iterdir()} == {
        "onnxruntime": wheel.backends,
        "python": wheel.backends,
        "tensorrt": wheel.backends,
        "tokenizer": tmp_path / "backends",
    }
    preflight.check_profile("gpu-onnx-fp16")
    monkeypatch.setenv(layout.INSTALLED_VARIABLE, str(tmp_path))
    with pytest.raises(PreflightError, match="TRITONZOO_SERVER names another folder"):
        layout.find_wheel()


def test_what_an_earlier_server_had_is_gone(wheel: layout.Wheel, tmp_path: Path) -> None:
    target = tmp_path / "backends"
    (target / "gone").mkdir(parents=True)
    layout.assemble_backends(wheel, tmp_path, target)
    assert [path.name for path in target.iterdir()] == ["python"]


def test_memory_is_given_back_unless_the_caller_decides_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)

    variables = layout.environment()

    assert variables["MALLOC_ARENA_MAX"] == "8"
    assert variables["MALLOC_MMAP_THRESHOLD_"] == "1048576"


def test_processes_do_arithmetic_in_one_thread_unless_the_caller_decides_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)

    variables = layout.environment()

    assert (variables["OMP_NUM_THREADS"], variables["OPENBLAS_NUM_THREADS"]) == ("4", "1")


def test_stubs_find_this_environment_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda")
    variables = layout.environment()
    assert variables["PATH"] == f"{sys.prefix}/bin:/usr/bin"
    folders = variables["LD_LIBRARY_PATH"].split(":")
    assert folders == [*layout.library_folders(), "/opt/cuda"]
    assert all((Path(folder) / f"libpython{PYTHON}.so.1.0").is_file() for folder in folders[:-1])


def test_the_command_line_has_no_secret_and_listens_on_loopback_only(wheel: layout.Wheel) -> None:
    options = ServeOptions(root=Path("/tree"), ports=Ports(1, 2, 3), drain_s=12, profile="cpu-int8")
    words = command(options, wheel, Path("/backends"), ["a", "b"], "prefix_")
    assert words[0] == str(wheel.server)
    assert {
        "--model-repository=model_repository",
        "--model-repository=ensembles",
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        "--http-port=1",
        "--grpc-port=2",
        "--metrics-port=3",
        "--model-control-mode=explicit",
        "--load-model=a",
        "--load-model=b",
        "--disable-auto-complete-config",
        "--model-config-name=cpu-int8",
        "--exit-timeout-secs=12",
        "--backend-config=python,shm-region-prefix-name=prefix_",
    } <= set(words)
    hidden = hidden_options("K")
    assert set(hidden) <= set(words)
    assert all(
        value == "model-repository,shared-memory,trace,logging:admin-key=K" for value in hidden.values()
    )
    assert not any("admin-key" in word for word in words)
