"""Options that nobody may read in the process list: on real processes, with and without ptrace."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tritonzoo.embedded.process import ServerProcess
from tritonzoo.errors import ServerError
from tritonzoo.runtime import proc

# Stands for the server: says what it was given, then waits.
PROGRAM = """
import json, os, sys, time
seen = {"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}
open(sys.argv[1] + ".new", "w").write(json.dumps(seen))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""
HIDDEN = {"--secret-one": "apis:key=K1K1K1", "--secret-two": "K2K2K2"}


def start(folder: Path) -> ServerProcess:
    words = [sys.executable, "-c", PROGRAM, str(folder / "seen.json"), "--plain=1", *HIDDEN, "--last"]
    process = ServerProcess(words, HIDDEN, dict(os.environ), folder / "log", folder)
    process.start()
    return process


def what_it_saw(folder: Path) -> dict:
    deadline = time.monotonic() + 10
    while not (folder / "seen.json").exists():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)
    return json.loads((folder / "seen.json").read_text())


def test_the_program_gets_the_options_and_its_command_line_does_not_show_them(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        shown = proc.command_line(process.pid)
        seen = what_it_saw(tmp_path)
        assert seen["arguments"][1:] == ["--plain=1", *(f"{k}={v}" for k, v in HIDDEN.items()), "--last"]
        assert seen["folder"] == str(tmp_path)
        assert shown[-4:] == ["--plain=1", *HIDDEN, "--last"]
        assert process.key_is_hidden
        # Nor does a child of the program inherit them.
        assert not set(HIDDEN) & set(seen["environment"])
        assert seen["environment"]["PATH"] == os.environ["PATH"]
    finally:
        process.kill()
    assert not process.is_running


# Installs a seccomp filter that refuses ptrace, as some containers do, then starts the program.
WITHOUT_PTRACE = """
import ctypes, struct, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_embedded_hiding import start, what_it_saw
from tritonzoo.runtime import proc
PTRACE = int(sys.argv[3])
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN, REFUSE_EPERM, ALLOW = 0x20, 0x15, 0x06, 0x00050001, 0x7FFF0000
program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, PTRACE), (RETURN, 0, 0, REFUSE_EPERM), (RETURN, 0, 0, ALLOW)))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Filter(4, program)), 0, 0) == 0  # PR_SET_SECCOMP, filter
folder = Path(sys.argv[1])
process = start(folder)
try:
    what_it_saw(folder)
    print(process.key_is_hidden, "K1K1K1" in " ".join(proc.command_line(process.pid)))
    print(process.hide_after_reading(), "K1K1K1" in " ".join(proc.command_line(process.pid)))
finally:
    process.kill()
"""


def test_where_ptrace_is_refused_the_options_are_overwritten_once_read(tmp_path: Path) -> None:
    number = {"x86_64": 101, "aarch64": 117}.get(platform.machine())
    if number is None:
        pytest.skip(f"the number of ptrace on {platform.machine()} is not known to this test")
    command = [sys.executable, "-c", WITHOUT_PTRACE, str(tmp_path), str(Path(__file__).parent), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.split("\n")[:2] == ["False True", "True False"], done.stderr
    arguments = json.loads((tmp_path / "seen.json").read_text())["arguments"]
    assert arguments[2:4] == [f"{name}={value}" for name, value in HIDDEN.items()]


def test_a_program_that_is_not_there_is_an_error_and_leaves_no_process(tmp_path: Path) -> None:
    process = ServerProcess(["/no/such/program"], HIDDEN, dict(os.environ), tmp_path / "log", tmp_path)
    with pytest.raises(ServerError, match="/no/such/program: could not be started"):
        process.start()
    process.kill()
    assert not process.is_running


def test_killing_what_was_never_started_does_nothing(tmp_path: Path) -> None:
    ServerProcess(["true"], {}, {}, tmp_path / "log", tmp_path).kill()


def test_the_return_code_of_a_program_that_ends_is_known(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; sys.exit(3)", *HIDDEN]
    process = ServerProcess(words, HIDDEN, dict(os.environ), tmp_path / "log", tmp_path)
    process.start()
    assert process.wait(10)
    assert process.return_code == 3
