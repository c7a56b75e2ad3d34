"""One server process with its stubs: started, awaited, signalled, and gone for good.

A thread of its own starts the process and waits for it. That thread must live as long as the process, since
the kernel's parent-death signal and tracing both go by the thread that forked, not by the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritonzoo.embedded import hiding, launcher
from tritonzoo.errors import ServerError
from tritonzoo.runtime import proc


class ServerProcess:
    """tritonserver in a session of its own, writing to `log_file`.

    `working_folder` becomes the first entry of every Python model's sys.path.
    """

    def __init__(
        self,
        command: Sequence[str],
        hidden: Mapping[str, str],
        environment: Mapping[str, str],
        log_file: Path,
        working_folder: Path,
    ) -> None:
        self._command = list(command)
        self._hidden = dict(hidden)
        self._environment = {**environment, **hidden}
        self._log_file = log_file
        self._working_folder = working_folder
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._error: OSError | None = None
        self.pid = 0
        self.return_code: int | None = None  # as subprocess has it: negative for a signal
        self.key_is_hidden = False

    def start(self) -> None:
        """Start the program; returns once it runs.

        Raises:
            ServerError: it could not be started.
        """
        self._thread = threading.Thread(target=self._run, name="tritonserver", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise ServerError(f"{self._command[0]}: could not be started: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self.pid = self._spawn()
        except OSError as error:
            self._error = error
            self._ended.set()
            return
        finally:
            self._started.set()
        _, status = os.waitpid(self.pid, 0)
        self.return_code = os.waitstatus_to_exitcode(status)
        self._ended.set()

    def _spawn(self) -> int:
        handshake, launcher_end = os.pipe()
        try:
            log = os.open(self._log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            arguments = [
                str(os.getpid()),
                str(self._working_folder),
                ",".join(self._hidden),
                *self._command,
            ]
            try:
                pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-I", "-S", launcher.__file__, *arguments],
                    self._environment,
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_DUP2, log, 1),
                        (os.POSIX_SPAWN_DUP2, log, 2),
                        (os.POSIX_SPAWN_DUP2, launcher_end, launcher.HANDSHAKE_FD),
                    ],
                    setsigmask=(),
                )
            finally:
                os.close(log)
        finally:
            os.close(launcher_end)
        with os.fdopen(handshake, "rb") as pipe:
            answer = pipe.read(1)
        if answer == b"t":
            self.key_is_hidden = _release(pid, self._hidden)
        return pid

    @property
    def is_running(self) -> bool:
        return self._started.is_set() and not self._ended.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the server has ended within `timeout_s`."""
        return self._ended.wait(timeout_s)

    def hide_after_reading(self) -> bool:
        """Overwrite options that had to be passed openly, once the server has read them."""
        if not self.key_is_hidden:
            self.key_is_hidden = hiding.overwrite_visible(self.pid, self._hidden)
        return self.key_is_hidden

    def terminate(self) -> None:
        """Ask the server to end; what is in flight is still served."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self, timeout_s: float = 5.0) -> None:
        """End the server and every stub at once, and wait until none is left."""
        if self._thread is None:
            return
        self._started.wait()  # else a process might yet appear
        if not self.pid:  # it could not be started; and 0 would mean our own group
            return
        deadline = time.monotonic() + timeout_s
        while self.is_running or proc.group(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise ServerError(f"processes {proc.group(self.pid)} do not end, even when killed")
            time.sleep(0.02)


def _release(pid: int, hidden: Mapping[str, str]) -> bool:
    """Let the traced process run with its options hidden; it does not outlive a failure to do so."""
    try:
        hiding.release_with_hidden(pid, hidden)
    except OSError:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    return True
