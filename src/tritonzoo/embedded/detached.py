"""Servers that run on their own: start one, see what runs, stop it (`serve --detach`, `status`, `stop`)."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tritonzoo.embedded import shm, state
from tritonzoo.embedded.foreground import serve_until_signal
from tritonzoo.embedded.options import Ports, ServeOptions
from tritonzoo.embedded.server import EmbeddedTriton
from tritonzoo.embedded.state import ServerState
from tritonzoo.errors import ServerError
from tritonzoo.runtime import proc

READY, UNAVAILABLE = "ready", "unavailable"
POLL_S = 0.1
KILL_AFTER_S = 15.0  # beyond the drain time: unloading, and a slow machine

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ServerStatus:
    """A running server as `tritonzoo status` shows it.

    Attributes:
        models: "ready", or "unavailable: " and why, by pipeline and model.
        uptime_s: since its supervisor began.
    """

    state: ServerState
    models: dict[str, str]
    uptime_s: float

    @property
    def is_ready(self) -> bool:
        """Whether every pipeline and model answers."""
        return all(word == READY for word in self.models.values())


def detach(options: ServeOptions, on_progress: Progress = lambda loaded, total, name: None) -> ServerState:
    """Start a server that outlives this process; returns once it is ready.

    Raises:
        ServerError: what `EmbeddedTriton.start` would have raised, with the same words.
    """
    log_file = options.log_file.resolve() if options.log_file else None
    options = replace(options, root=options.root.resolve(), log_file=log_file)
    reading, writing = os.pipe()
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "tritonzoo.embedded.detached", _to_json(options), str(writing)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writing,),
        start_new_session=True,
        cwd="/",
    )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as messages:
            last = _follow(messages, on_progress)
    except BaseException:  # also Ctrl-C while models load
        with contextlib.suppress(ProcessLookupError):
            supervisor.terminate()
        supervisor.wait()
        raise
    if "ready" in last:
        return ServerState(**last["ready"])
    code = supervisor.wait()
    raise ServerError(last.get("error") or f"the server's supervisor ended with code {code} and no word")


def _follow(messages: Iterable[str], on_progress: Progress) -> dict[str, Any]:
    """Show the progress that a supervisor reports; returns its last word, empty where it had none."""
    for line in messages:
        message: dict[str, Any] = json.loads(line)
        if "loaded" not in message:
            return message
        on_progress(message["loaded"], message["total"], message["name"])
    return {}


def status(http_port: int | None = None) -> list[ServerStatus]:
    """The running servers of this user, or the one at `http_port`; empty when there is none."""
    return [_status(one) for one in state.running() if http_port in (None, one.ports["http"])]


def stop(http_port: int | None = None) -> ServerState:
    """Stop the server at `http_port`, or the only one; returns what it was, once it is gone.

    Raises:
        ServerError: there is no such server, or several and none was chosen, or it does not end.
    """
    running = [one for one in state.running() if http_port in (None, one.ports["http"])]
    if not running:
        where = "" if http_port is None else f" with HTTP port {http_port}"
        raise ServerError(f"no server{where} is running")
    if len(running) > 1:
        ports = ", ".join(str(one.ports["http"]) for one in running)
        raise ServerError(
            f"several servers are running, with HTTP ports {ports}; choose one with --http-port"
        )
    server = running[0]
    os.kill(server.supervisor_pid, signal.SIGTERM)
    if not _await_end(server, server.drain_s + KILL_AFTER_S):
        os.kill(server.supervisor_pid, signal.SIGKILL)  # the kernel then ends the server too
        if not _await_end(server, KILL_AFTER_S):
            raise ServerError(
                f"the server with HTTP port {server.ports['http']} does not end, even when killed"
            )
    shm.remove(server.shm_prefix)
    return server


def _await_end(server: ServerState, timeout_s: float) -> bool:
    """Whether the supervisor, the server and all stubs are gone within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while server.is_alive or proc.group(server.server_pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _status(server: ServerState) -> ServerStatus:
    models = {name: _model_state(server, name) for name in (*server.pipelines, *server.models)}
    supervisor = proc.process(server.supervisor_pid)
    return ServerStatus(server, models, proc.age_s(supervisor) if supervisor else 0.0)


def _model_state(server: ServerState, name: str) -> str:
    if name in server.failing:  # Triton itself goes on calling it ready
        return f"{UNAVAILABLE}: {server.failing[name]}"
    connection = http.client.HTTPConnection(server.host, server.ports["http"], timeout=5)
    try:
        connection.request("GET", f"/v2/models/{name}/ready")
        is_ready = connection.getresponse().status == http.HTTPStatus.OK
    except OSError as error:
        return f"{UNAVAILABLE}: {error}"
    finally:
        connection.close()
    return READY if is_ready else f"{UNAVAILABLE}: not loaded"


def _to_json(options: ServeOptions) -> str:
    return json.dumps(asdict(options), default=str)


def _from_json(text: str) -> ServeOptions:
    fields = json.loads(text)
    fields["root"] = Path(fields["root"])
    fields["log_file"] = Path(fields["log_file"]) if fields["log_file"] else None
    for name in ("pipelines", "allow_unproved"):
        fields[name] = tuple(fields[name])
    return ServeOptions(**{**fields, "ports": Ports(**fields["ports"])})


def supervise(options: ServeOptions, messages_fd: int) -> int:
    """Be the supervisor of a detached server: tell over `messages_fd` how the start goes, then serve."""
    messages = os.fdopen(messages_fd, "w", encoding="utf-8")  # closed when the server is ready

    def tell(message: dict[str, object]) -> None:
        with contextlib.suppress(OSError):  # whoever started us has gone; we stay
            print(json.dumps(message), file=messages, flush=True)

    def ready() -> None:
        tell({"ready": asdict(triton.describe())})
        messages.close()

    triton = EmbeddedTriton(options)
    try:
        serve_until_signal(
            triton,
            ready,
            on_progress=lambda loaded, total, name: tell({"loaded": loaded, "total": total, "name": name}),
        )
    except ServerError as error:
        if not messages.closed:
            tell({"error": str(error)})
        logging.error("%s", error)  # noqa: TRY400  # the sentence says it all
        return 1
    return 0


if __name__ == "__main__":
    chosen = _from_json(sys.argv[1])
    supervisor_log = state.server_path(chosen.ports.http) / "supervisor.log"
    supervisor_log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    logging.basicConfig(
        filename=supervisor_log,
        filemode="w",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    sys.exit(supervise(chosen, int(sys.argv[2])))
