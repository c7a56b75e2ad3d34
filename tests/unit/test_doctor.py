"""The doctor: what would keep the tree from being served is found, and told with its remedy."""

from __future__ import annotations

import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.trees import sound_tree
from tritonzoo.cli import app
from tritonzoo.doctor import Finding, Verdict, examine, machine, services, software
from tritonzoo.embedded import Ports, shm
from tritonzoo.errors import ServerError
from tritonzoo.repository import Repository

Usage = namedtuple("Usage", "total used free")


def test_a_finding_has_a_remedy_exactly_when_it_is_not_fine() -> None:
    with pytest.raises(ValueError, match="disk"):
        Finding("disk", Verdict.WRONG, "full")
    with pytest.raises(ValueError, match="disk"):
        Finding("disk", Verdict.FINE, "empty", "fill it")


def test_everything_is_looked_at_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sound_tree(tmp_path))
    subjects = [finding.subject for finding in examine()]
    assert subjects == [
        "glibc", "Python", "NumPy", "Triton", "memory", "/dev/shm", "disk", "ports", "Docker", "GPU",
    ]  # fmt: skip


@pytest.mark.parametrize(("found", "says"), [((2, 31), "2.31"), (None, "no glibc")])
def test_an_old_c_library_is_told(monkeypatch: pytest.MonkeyPatch, found: object, says: str) -> None:
    monkeypatch.setattr(software, "glibc_version", lambda: found)
    finding = software.glibc()
    assert finding.verdict is Verdict.WRONG and says in finding.says and "2.35" in finding.says
    assert "Debian 12" in finding.remedy and "docker-compose up" in finding.remedy


def test_a_python_without_a_stub_is_told() -> None:
    assert software.python_version((3, 11)).verdict is Verdict.FINE
    finding = software.python_version((3, 14))
    assert finding.verdict is Verdict.WRONG and "make setup PYTHON=python3.11" in finding.remedy


def test_numpy_2_is_told_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.1.0")
    finding = software.numpy_version()
    assert finding.verdict is Verdict.WRONG and "2.1.0" in finding.says
    assert finding.remedy == "pip install 'numpy<2'"


def test_memory_counts_the_limit_of_a_container(tmp_path: Path) -> None:
    proc, group = tmp_path / "proc", tmp_path / "sys/fs/cgroup"
    proc.mkdir()
    group.mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable: 8388608 kB\n")
    assert machine.memory(root=tmp_path).says.startswith("8.0 GiB available")
    (group / "memory.max").write_text("max\n")
    assert machine.memory(root=tmp_path).verdict is Verdict.FINE
    (group / "memory.max").write_text(f"{32 * 1024 * 1024}\n")
    finding = machine.memory(root=tmp_path)
    assert finding.verdict is Verdict.WRONG and "--pipelines" in finding.remedy


def test_memory_grows_with_the_tree(tmp_path: Path) -> None:
    models = tuple(Repository(sound_tree(tmp_path)).models.values())
    needs = [machine.memory(those).says.rpartition(" ")[2] for those in ((), models)]
    assert float(needs[0]) < float(needs[1])


def test_little_shared_memory_is_told_with_the_words_for_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shm, "free_bytes", lambda: 2 * 1024 * 1024)
    finding = machine.shared_memory()
    assert finding.verdict is Verdict.WRONG and "2 MiB free" in finding.says
    assert "--shm-size=256m" in finding.remedy


def test_a_full_disk_is_noted_and_one_that_cannot_be_written_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1))
    finding = machine.disk(tmp_path / "not" / "there")
    assert finding.verdict is Verdict.NOTE and str(tmp_path) in finding.says
    assert "TRITONZOO_CACHE" in finding.remedy
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert machine.disk(tmp_path).verdict is Verdict.WRONG


def test_a_port_in_use_is_noted_with_the_flag_that_chooses_another() -> None:
    ports = Ports.free()
    assert [one.verdict for one in services.ports(ports)] == [Verdict.FINE]
    with socket.create_server(("127.0.0.1", ports.grpc)):
        (finding,) = services.ports(ports)
    assert finding.verdict is Verdict.NOTE and str(ports.grpc) in finding.says
    assert "--grpc-port" in finding.remedy and ".env" in finding.remedy


def test_no_docker_and_docker_without_compose_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_said", lambda *command: None)
    assert "docker.io" in services.docker_engine().remedy
    monkeypatch.setattr(services, "_said", lambda *command: "20.10.24" if "--format" in command else None)
    assert services.docker_engine().remedy == "install docker-compose, 1.29 or 2"
    monkeypatch.setattr(services, "_said", lambda *command: "1.29.2")
    assert services.docker_engine().verdict is Verdict.FINE


def test_a_driver_that_does_not_answer_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def silent() -> None:
        raise ServerError("nvidia-smi gave no answer; restart the driver")

    monkeypatch.setattr(services, "present_gpus", silent)
    assert services.gpu_driver() == Finding(
        "GPU", Verdict.NOTE, "nvidia-smi gave no answer", "restart the driver"
    )
    monkeypatch.setattr(services, "present_gpus", tuple)
    (tmp_path / "version").touch()
    assert "--gpus all" in services.gpu_driver(tmp_path / "version").remedy
    assert "gpu profiles" in services.gpu_driver(tmp_path / "none").remedy


def test_the_command_ends_with_1_only_where_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Finding("Docker", Verdict.NOTE, "none", "install it")
    for findings, code in (
        ([note], 0),
        ([note, Finding("NumPy", Verdict.WRONG, "2.1", "pip install it")], 1),
    ):
        monkeypatch.setattr("tritonzoo.doctor.report.examine", lambda findings=findings: iter(findings))
        result = CliRunner().invoke(app, ["doctor"])
        assert result.exit_code == code and "install it" in result.output
