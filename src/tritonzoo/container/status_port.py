"""The container's own port: `/ready` for balancers and health checks, `/metrics` for Prometheus.

Triton's own `/v2/health/ready` stays 200 until its port closes, which is too late for a balancer. This one
turns to 503 while Triton still serves: whoever asks it sends the next request elsewhere, and nothing is lost.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROBE_TIMEOUT_S = 3.0  # a machine that is busy is not a server that is gone


class Phase(Enum):
    """Where a container is in its life; the value is what `/ready` says."""

    STARTING = "starting"
    SERVING = "ready"
    STOPPING = "stopping"


@dataclass
class Status:
    """What the port tells.

    Attributes:
        is_triton_ready: asks Triton itself.
        restarts: how often each model's Python process was brought back.
        failing: why a model cannot be brought back, by model.
        models: every model that has Python processes, so that its counter is there from the start.
    """

    is_triton_ready: Callable[[], bool]
    restarts: Callable[[], Mapping[str, int]] = dict
    failing: Callable[[], Mapping[str, str]] = dict
    models: tuple[str, ...] = ()
    phase: Phase = Phase.STARTING
    began_s: float = field(default_factory=time.monotonic)
    start_took_s: float = 0.0

    def serving(self, models: tuple[str, ...]) -> None:
        self.models = models
        self.start_took_s = time.monotonic() - self.began_s
        self.phase = Phase.SERVING

    @property
    def readiness(self) -> tuple[HTTPStatus, str]:
        """200 when a request sent now will be answered, else 503; with a word on why."""
        if self.phase is not Phase.SERVING:
            return HTTPStatus.SERVICE_UNAVAILABLE, self.phase.value
        if not self.is_triton_ready():
            return HTTPStatus.SERVICE_UNAVAILABLE, "Triton does not answer"
        return HTTPStatus.OK, self.phase.value

    def metrics(self) -> str:
        """In Prometheus' text format (version 0.0.4)."""
        restarts, failing = self.restarts(), self.failing()
        counts = [
            f'tritonzoo_model_restarts_total{{model="{name}"}} {restarts.get(name, 0)}'
            for name in self.models
        ]
        lines = [
            "# HELP tritonzoo_ready Whether this container takes requests.",
            "# TYPE tritonzoo_ready gauge",
            f"tritonzoo_ready {int(self.readiness[0] is HTTPStatus.OK)}",
            "# HELP tritonzoo_start_seconds How long the last start took, until every model answered.",
            "# TYPE tritonzoo_start_seconds gauge",
            f"tritonzoo_start_seconds {self.start_took_s:.3f}",
            "# HELP tritonzoo_model_restarts_total How often a dead Python process was brought back.",
            "# TYPE tritonzoo_model_restarts_total counter",
            *counts,
            "# HELP tritonzoo_model_failing Whether a model's Python process could not be brought back.",
            "# TYPE tritonzoo_model_failing gauge",
            *(f'tritonzoo_model_failing{{model="{name}"}} {int(name in failing)}' for name in self.models),
        ]
        return "\n".join(lines) + "\n"


class StatusPort:
    """Serves a `Status` on `port` of every address, in threads of its own."""

    def __init__(self, status: Status, port: int, host: str = "0.0.0.0") -> None:
        handler = type("Handler", (_Handler,), {"status": status})
        self._server = _Server((host, port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A probe hangs up as soon as it has read the code: not worth a traceback."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typed narrower than it is


class _Handler(BaseHTTPRequestHandler):
    status: Status
    timeout = 5  # seconds for a request to come in; a probe that stalls must not hold a thread

    def do_GET(self) -> None:
        if self.path == "/ready":
            code, word = self.status.readiness
            self._answer(code, word + "\n")
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.status.metrics())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "there are /ready and /metrics\n")

    def _answer(self, code: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every second: not worth a line each."""


def asks(http_port: int) -> Callable[[], bool]:
    """A function that asks the Triton of this machine whether it is ready."""

    def is_ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/v2/health/ready", headers={"Connection": "close"})
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return is_ready
