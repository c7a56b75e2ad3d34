"""Run a command that takes minutes: every line into a log, nothing left running when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tritonzoo.errors import ConversionError

_PATIENCE_S = 10  # between asking a command to stop and killing it


def run_logged(
    command: Sequence[str],
    log: Path,
    shown_as: str,
    on_line: Callable[[str], None] = lambda line: None,
) -> None:
    """Run `command`; `log` opens with `shown_as`, the line that repeats it, and holds all that it prints.

    Raises:
        ConversionError: it cannot be started or fails; with its last error and where the log is.
        KeyboardInterrupt: after the command and what it started have been stopped.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", buffering=1) as file:
        file.write(f"$ {shown_as}\n")
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                start_new_session=True,  # so that Ctrl-C reaches it through us, once
            )
        except OSError as error:
            raise ConversionError(f"{command[0]} cannot be run: {error.strerror}") from error
        lines: list[str] = []
        try:
            for line in process.stdout or ():
                file.write(line)
                lines.append(line.rstrip())
                on_line(line.rstrip())
            status = process.wait()
        except BaseException as error:
            _stop(process)
            file.write(f"stopped: {type(error).__name__}\n")
            raise
        file.write(f"exit status {status}\n")
    if status:
        raise ConversionError(
            f"{Path(command[0]).name} failed with status {status}: {_complaint(lines)}; all that it said, "
            f"under the command that repeats it: {log}"
        )


def _stop(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _complaint(lines: Sequence[str]) -> str:
    """The last line that is marked as an error, else that mentions one, else the last line."""
    spoken = [line.strip() for line in lines if line.strip()]
    marked = [line for line in spoken if "[E]" in line]
    mentioned = [line for line in spoken if "error" in line.lower()]
    return (marked or mentioned or spoken or ["it printed nothing"])[-1]
