"""A peer's server: a process group of its own, started, awaited and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers.errors import ContenderError

from tritonzoo.runtime import proc

OFFLINE = {  # no peer asks a hub or reports its use
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "TOKENIZERS_PARALLELISM": "true",
}
START_S = 240


@contextmanager
def group(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group of its own; end the group with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            env={**os.environ, **OFFLINE, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def serving(
    command: Sequence[str], ready_url: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """The id of the process group of a server that answers `ready_url`.

    Raises ContenderError, with the end of its output, for one that does not.
    """
    with group(command, environment or {}, log) as process:
        _wait(process, ready_url, command, log)
        yield process.pid


def _wait(process: subprocess.Popen[bytes], ready_url: str, command: Sequence[str], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(ready_url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    said = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
    raise ContenderError(f"{' '.join(command)}\ndid not become ready; the end of what it wrote:\n{said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then see to it."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s and proc.group(process.pid):
            process.poll()  # reaps it
            time.sleep(0.05)
        if not proc.group(process.pid):
            break
    process.wait()
