"""Stopping a server so that whatever is in flight is answered, and nothing else holds it up.

On SIGTERM Triton closes its HTTP port, then waits for HTTP clients to hang up, then for requests in flight,
then unloads. It waits for idle keep-alive connections, half-sent requests and open gRPC streams as long as
for real work and does not tell them apart. While it waits for HTTP clients it still serves everything else,
the model-control API too. So:

1. Hold Triton in that state with a connection of our own and unload the models, pipelines before their
   members. A model is gone only when its last request has been answered: all gone means nothing is in flight,
   whatever connections there may be.
2. An open gRPC stream keeps the first model it called from being unloaded. When for a while no model has gone
   and no stub has used the processor, let go of our connection and shut down the idle ones, so that Triton
   comes to the point where it logs how many models have requests in flight. None means done.

A stream together with a half-sent request, or with an idle connection where the kernel does not let us shut
that down, holds the stop up for the whole drain time.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Sequence

from tritonzoo.embedded.admin import ModelControl
from tritonzoo.embedded.connections import close_idle, open_sockets
from tritonzoo.embedded.log import LogReader
from tritonzoo.embedded.options import ServeOptions
from tritonzoo.embedded.process import ServerProcess
from tritonzoo.errors import ServerError
from tritonzoo.repository import Model
from tritonzoo.runtime import proc

POLL_S = 0.1
HELD_S = 1.5  # nothing moved in this time: a long request, or a stream, holds a model
UNCLEAR_S = 2.0  # after which a connection counts as idle that may be so by the kernel's coarse clock
SETTLE_S = 0.5  # for Triton to write the last answers and end by itself once nothing is in flight
BUSY_STATES = ("READY", "LOADING", "UNLOADING")

log = logging.getLogger(__name__)


class Drain:
    """One orderly stop; `run` returns when nothing is in flight any more, or time is up."""

    def __init__(
        self, options: ServeOptions, process: ServerProcess, control: ModelControl, models: Sequence[Model]
    ) -> None:
        self._options = options
        self._process = process
        self._control: ModelControl | None = control
        # A model may call others from its code, so those that nobody's configuration mentions go last.
        self._waves = [
            [model.name for model in models if model.is_pipeline],
            [model.name for model in models if not model.is_pipeline],
        ]
        self._wave: list[str] = []
        self._hold: http.client.HTTPConnection | None = None

    def run(self, reader: LogReader, aborted: threading.Event) -> bool:
        """Stop the server; True when everything in flight has been answered.

        Leaves processes behind: the caller kills what is left.
        """
        deadline = time.monotonic() + self._options.drain_s
        self._hold = self._connection()
        self._process.terminate()
        last_change, last_seen = time.monotonic(), None
        try:
            while not aborted.wait(POLL_S) and time.monotonic() < deadline:
                if self._process.wait(0):
                    return True
                reader.read()
                if reader.in_flight == 0:
                    self._process.wait(SETTLE_S)
                    return True
                busy = self._busy()
                if busy is not None and not busy and not self._next_wave():
                    return True
                seen = (busy, sum(stub.cpu_ticks for stub in proc.children(self._process.pid)))
                if seen != last_seen:
                    last_change, last_seen = time.monotonic(), seen
                elif self._control is None or self._has_grpc_clients():
                    self._let_go(time.monotonic() - last_change)
        finally:
            if self._hold is not None:
                self._hold.close()
        return False

    def _connection(self) -> http.client.HTTPConnection | None:
        """A connection that Triton has accepted for certain: it has answered on it."""
        connection = http.client.HTTPConnection(self._options.host, self._options.ports.http, timeout=2)
        try:
            connection.request("GET", "/v2/health/live")
            connection.getresponse().read()
        except OSError as error:
            log.debug("no connection to hold the server with: %s", error)
            connection.close()
            return None
        return connection

    def _busy(self) -> list[str] | None:
        """The models of this wave that are not gone yet; None where the server cannot be asked any more."""
        if self._control is None:
            return None
        try:
            states = self._control.index()
        except ServerError:
            self._control = None  # Triton has closed its gRPC port; from now on its log tells
            return None
        return [name for name in self._wave if states.get(name) in BUSY_STATES]

    def _next_wave(self) -> bool:
        """Begin to unload the next models; False when there are no more."""
        if not self._waves:
            return False
        self._wave = self._waves.pop(0)
        for name in self._wave:
            try:
                if self._control is not None:
                    self._control.unload(name)
            except ServerError as error:
                log.debug("%s", error)
        return True

    def _has_grpc_clients(self) -> bool:
        """Whether anybody but us is connected by gRPC, so that a stream may be what holds a model."""
        return len(open_sockets(self._options.ports.grpc)) > (self._control is not None)

    def _let_go(self, unchanged_s: float) -> None:
        if unchanged_s < HELD_S:
            return
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        close_idle(self._process.pid, self._options.ports.http, unclear_too=unchanged_s > UNCLEAR_S)
