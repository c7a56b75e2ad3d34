"""State files, shared memory and processes: what is alive, what is left over, whose it is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tritonzoo.embedded import detached, shm, state
from tritonzoo.embedded.connections import is_idle
from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.errors import PreflightError, ServerError
from tritonzoo.runtime import proc


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def a_state(http_port: int = 8000) -> state.ServerState:
    me = proc.process(os.getpid())
    assert me is not None
    return state.ServerState(
        supervisor_pid=me.pid,
        supervisor_start_ticks=me.start_ticks,
        server_pid=2**22,
        root="/tree",
        profile="cpu-fp32",
        host="127.0.0.1",
        ports=Ports(http_port, 8001, 8002).named(),
        pipelines=["pipe"],
        models=["model"],
        log_file="/log",
        shm_prefix="tritonzoo_0_0_none_",
        python=sys.executable,
        drain_s=1,
        admin_key="secret",
    )


def test_a_running_server_is_found_and_a_released_one_is_not() -> None:
    folder = state.ServerFolder.claim(8000)
    assert state.running() == []
    folder.write(a_state())
    assert state.running() == [a_state()]
    folder.release()
    assert state.running() == []


def test_only_the_owner_can_read_the_key() -> None:
    folder = state.ServerFolder.claim(8000)
    folder.write(a_state())
    assert stat.S_IMODE((folder.path / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert "secret" not in repr(a_state())


def test_the_state_of_a_dead_supervisor_is_not_believed_even_if_its_pid_is_in_use() -> None:
    folder = state.ServerFolder.claim(8000)
    later = replace(a_state(), supervisor_start_ticks=a_state().supervisor_start_ticks - 1)
    folder.write(later)
    assert state.running() == []


def test_a_second_server_on_the_same_port_is_refused_until_the_first_is_gone() -> None:
    first = state.ServerFolder.claim(8000)
    with pytest.raises(PreflightError, match=r"HTTP port 8000 is running or starting.*--http-port"):
        state.ServerFolder.claim(8000)
    first.release()
    state.ServerFolder.claim(8000).release()


def test_a_half_written_or_foreign_state_is_passed_over() -> None:
    folder = state.ServerFolder.claim(8000)
    for text in ("", "{", '{"other": 1}'):
        (folder.path / "state.json").write_text(text)
        assert state.running() == []


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(PreflightError, match="set XDG_CACHE_HOME"):
        state.ServerFolder.claim(8000)


def test_the_last_log_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "triton.log"
    state.keep_previous(log)
    log.write_text("first")
    state.keep_previous(log)
    assert log.read_text() == ""
    assert (log.parent / "triton.log.previous").read_text() == "first"


def test_stop_without_a_choice_lists_the_ports() -> None:
    for port in (8000, 9000):
        state.ServerFolder.claim(port).write(a_state(port))
    with pytest.raises(ServerError, match=r"8000, 9000; choose one with --http-port"):
        detached.stop()
    with pytest.raises(ServerError, match="no server with HTTP port 7000 is running"):
        detached.stop(7000)


def test_options_survive_the_way_to_the_supervisor() -> None:
    options = ServeOptions(
        root=Path("/tree"), ports=Ports(1, 2, 3), pipelines=("a", "b"), drain_s=2.5, log_file=Path("/log")
    )
    assert detached._from_json(detached._to_json(options)) == options
    assert detached._from_json(detached._to_json(ServeOptions(root=Path("/tree")))) == ServeOptions(
        Path("/tree")
    )


def test_shared_memory_of_dead_supervisors_is_removed_and_that_of_the_living_is_not(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(shm, "SHM", tmp_path)
    mine = shm.new_prefix()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    for name in (f"{mine}a", f"tritonzoo_{ended.pid}_1_x_b", f"tritonzoo_{os.getpid()}_1_x_c", "psm_d"):
        (tmp_path / name).touch()
    removed = shm.remove_orphans()
    assert sorted(path.name for path in removed) == sorted(
        [f"tritonzoo_{ended.pid}_1_x_b", f"tritonzoo_{os.getpid()}_1_x_c"]
    )
    shm.remove(mine)
    assert [path.name for path in tmp_path.iterdir()] == ["psm_d"]


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
        one = proc.process(child.pid)
        assert one is not None
        assert one.state == "Z"
        assert not proc.is_alive(child.pid, one.start_ticks)
    finally:
        child.wait()
    assert proc.process(child.pid) is None


@pytest.mark.parametrize(
    ("sent_ms_ago", "received_ms_ago", "unclear_too", "expected"),
    [
        (100, 200, False, True),  # answered 100 ms after it was asked
        (200, 100, False, False),  # asked again since the last answer
        (200, 100, True, False),
        (100, 100, False, False),  # within one tick of the kernel's clock
        (100, 100, True, True),
    ],
)
def test_a_connection_is_idle_when_the_last_word_was_the_servers(
    sent_ms_ago: int, received_ms_ago: int, unclear_too: bool, expected: bool
) -> None:
    assert is_idle(sent_ms_ago, received_ms_ago, unclear_too) is expected
