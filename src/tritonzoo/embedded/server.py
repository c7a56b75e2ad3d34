"""`EmbeddedTriton`: a real Triton Inference Server for as long as a `with` block lasts.

    with EmbeddedTriton(ServeOptions(root=Path("."))) as triton:
        client = tritonzoo.Client(triton.grpc_url)

Leaving the block, Ctrl-C and SIGTERM (see `foreground.py`) let requests in flight finish; then every process
and every file in /dev/shm that belongs to the server is gone.
"""

from __future__ import annotations

import http.client
import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tritonzoo import profiles
from tritonzoo.embedded import layout, preflight, shm, state
from tritonzoo.embedded.admin import ModelControl
from tritonzoo.embedded.command import command, hidden_options
from tritonzoo.embedded.drain import Drain
from tritonzoo.embedded.log import LogReader
from tritonzoo.embedded.options import ServeOptions
from tritonzoo.embedded.process import ServerProcess
from tritonzoo.embedded.watchdog import Watchdog
from tritonzoo.errors import ServerError
from tritonzoo.repository import Model, Repository
from tritonzoo.runtime import proc
from tritonzoo.runtime.counters import COUNTERS_VARIABLE

POLL_S = 0.02
COUNTERS = "counters"  # folder of what the models count, beside the server's other files

Progress = Callable[[int, int, str], None]  # models loaded, models in all, the one just loaded

log = logging.getLogger(__name__)


def no_progress(loaded: int, total: int, name: str) -> None:
    """Shows nothing."""


class EmbeddedTriton:
    """One server, started from the wheel nvidia-pytriton, its Python models watched over."""

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        self.admin_key = secrets.token_urlsafe(32)
        self.models: tuple[Model, ...] = ()
        self._process: ServerProcess | None = None
        self._watchdog: Watchdog | None = None
        self._control: ModelControl | None = None
        self._folder: state.ServerFolder | None = None
        self._reader: LogReader | None = None
        self._shm_prefix = ""
        self._aborted = threading.Event()
        self._stopping = threading.Lock()

    # -- where it is ------------------------------------------------------------------------------

    @property
    def http_url(self) -> str:
        return f"http://{self.options.host}:{self.options.ports.http}"

    @property
    def grpc_url(self) -> str:
        """Without a scheme, as gRPC clients want it."""
        return f"{self.options.host}:{self.options.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.options.host}:{self.options.ports.metrics}/metrics"

    @property
    def log_file(self) -> Path:
        """Triton's own log, with whatever the models print."""
        return self.options.log_file or state.server_path(self.options.ports.http) / "triton.log"

    @property
    def counters_folder(self) -> Path:
        """What its models count (`tritonzoo.runtime.counters`)."""
        return state.server_path(self.options.ports.http) / COUNTERS

    @property
    def pids(self) -> list[int]:
        """The server's process and its stubs'; empty when nothing runs."""
        return proc.group(self._process.pid) if self._process and self._process.pid else []

    @property
    def pid(self) -> int:
        """The server's own process; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def shm_prefix(self) -> str:
        """How the names of this server's files in /dev/shm begin."""
        return self._shm_prefix

    @property
    def key_is_hidden(self) -> bool:
        """Whether the admin key is kept out of the process list."""
        return self._process is not None and self._process.key_is_hidden

    @property
    def restarts(self) -> dict[str, int]:
        """How often each model's Python process was brought back."""
        return dict(self._watchdog.restarts) if self._watchdog else {}

    @property
    def failing(self) -> dict[str, str]:
        """Why a model's Python process could not be brought back, by model."""
        return dict(self._watchdog.failing) if self._watchdog else {}

    @property
    def is_aborted(self) -> bool:
        """Whether it was asked to end at once."""
        return self._aborted.is_set()

    # -- start ------------------------------------------------------------------------------------

    def __enter__(self) -> EmbeddedTriton:
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, on_progress: Progress = no_progress) -> None:
        """Start the server and wait until every model answers.

        Raises:
            PreflightError: it was not started, because it could not have worked.
            ServerError: it did not start, a model did not load, or not in time.
        """
        repository = Repository(self.options.root.resolve())
        self.models = preflight.selected(self.options, repository)
        self._folder = state.ServerFolder.claim(self.options.ports.http)
        try:
            preflight.check(self.options, self.models)
            profiles.derive(self.models, self.options.profile)
            for orphan in shm.remove_orphans():
                log.info("removed %s, left by a server that is gone", orphan)
            self._launch(repository)
            self._wait_until_ready(on_progress)
            self._watch()
        except BaseException:  # also Ctrl-C while models load: nothing may be left behind
            self.kill()
            raise

    def _launch(self, repository: Repository) -> None:
        assert self._folder is not None
        wheel = layout.find_wheel()
        backends = layout.assemble_backends(wheel, repository.root, self._folder.path / "backends")
        counters = self._folder.path / COUNTERS
        shutil.rmtree(counters, ignore_errors=True)  # those of the last server on this port
        counters.mkdir()
        state.keep_previous(self.log_file)
        self._reader = LogReader(self.log_file)
        self._shm_prefix = shm.new_prefix()
        names = [model.name for model in self.models]
        self._process = ServerProcess(
            command(self.options, wheel, backends, names, self._shm_prefix),
            hidden_options(self.admin_key),
            {**layout.environment(), COUNTERS_VARIABLE: str(counters)},
            self.log_file,
            repository.root,
        )
        self._process.start()

    def _wait_until_ready(self, on_progress: Progress) -> None:
        assert self._process is not None and self._reader is not None
        deadline = time.monotonic() + self.options.start_timeout_s
        done = 0
        while True:
            ended = self._process.wait(POLL_S)
            for name in self._reader.read():
                done += 1
                on_progress(done, len(self.models), name)
            if ended:
                raise ServerError(self._why_not_started())
            if done >= len(self.models) and self._is_ready():
                return
            if time.monotonic() > deadline:
                waiting = [name for name in self._reader.loading if name not in self._reader.loaded]
                raise ServerError(
                    f"not ready after {self.options.start_timeout_s:g} s, still loading: "
                    f"{', '.join(waiting) or 'nothing, but the ports do not answer'}; see "
                    f"{self.log_file}, or allow more time with start_timeout_s"
                )

    def _is_ready(self) -> bool:
        """Whether all three ports answer; the one for metrics is the last to open."""
        connection = http.client.HTTPConnection(self.options.host, self.options.ports.http, timeout=2)
        try:
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status != http.HTTPStatus.OK:
                return False
            with socket.create_connection((self.options.host, self.options.ports.metrics), timeout=2):
                return True
        except OSError:
            return False
        finally:
            connection.close()

    def _why_not_started(self) -> str:
        assert self._process is not None and self._reader is not None
        reader = self._reader
        reasons = [f"  {name}: {why}" for name, why in reader.failed.items()]
        if not reasons:
            reasons = [f"  {error}" for error in reader.errors[-5:]] or [
                f"  {_exit(self._process.return_code)}"
            ]
        headline = (
            f"{len(reader.failed)} of {len(self.models)} models did not load"
            if reader.failed
            else "Triton did not start"
        )
        return f"{headline}:\n" + "\n".join(reasons) + f"\nThe whole log is in {self.log_file}"

    def _watch(self) -> None:
        assert self._process is not None and self._folder is not None
        if not self._process.key_is_hidden and not self._process.hide_after_reading():
            log.warning(
                "the admin key can be read in the process list by every user of this machine, because this "
                "system allows neither ptrace nor /proc/<pid>/mem"
            )
        self._control = ModelControl(self.grpc_url, self.admin_key)
        self._folder.write(self.describe())
        self._watchdog = Watchdog(self._process.pid, self._control, self.models, on_change=self._write_state)
        self._watchdog.start()

    def _write_state(self) -> None:
        if self._folder is not None:
            self._folder.write(self.describe())

    def describe(self) -> state.ServerState:
        """What `tritonzoo status` of another process shall know."""
        me = proc.process(os.getpid())
        assert me is not None and self._process is not None
        return state.ServerState(
            supervisor_pid=me.pid,
            supervisor_start_ticks=me.start_ticks,
            server_pid=self._process.pid,
            root=str(self.options.root.resolve()),
            profile=self.options.profile,
            host=self.options.host,
            ports=self.options.ports.named(),
            pipelines=[model.name for model in self.models if model.is_pipeline],
            models=[model.name for model in self.models if not model.is_pipeline],
            restarts=self.restarts,
            failing=self.failing,
            log_file=str(self.log_file),
            shm_prefix=self._shm_prefix,
            python=sys.executable,
            admin_key=self.admin_key,
            drain_s=self.options.drain_s,
        )

    # -- end --------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the server has ended, by itself, within `timeout_s`."""
        return self._process is None or self._process.wait(timeout_s)

    def why_ended(self) -> str:
        """A sentence on a server that ended by itself."""
        assert self._process is not None
        return f"Triton ended by itself: {_exit(self._process.return_code)}; its log is in {self.log_file}"

    def stop(self) -> None:
        """Answer what is in flight, for at most `drain_s`; then no process and no shared memory is left."""
        with self._stopping:
            if self._watchdog is not None:
                self._watchdog.stop()
            process, control, reader = self._process, self._control, self._reader
            if process and control and reader and process.is_running:
                reader.read()
                drained = Drain(self.options, process, control, self.models).run(reader, self._aborted)
                if not drained and not self._aborted.is_set():
                    log.warning(
                        "requests may have been in flight after %g s; ended all the same",
                        self.options.drain_s,
                    )
            self.kill()

    def abort(self) -> None:
        """Make a `stop` that is under way in another thread, or below a signal handler, end at once."""
        self._aborted.set()

    def kill(self) -> None:
        """End the server at once, whatever it is doing; nothing of it is left."""
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._process is not None:
            self._process.kill()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._shm_prefix:
            shm.remove(self._shm_prefix)
        if self._folder is not None:
            self._folder.release()
            self._folder = None


def _exit(return_code: int | None) -> str:
    if return_code is not None and return_code < 0:
        return f"it was ended by signal {-return_code}"
    return f"it ended with code {return_code}"
