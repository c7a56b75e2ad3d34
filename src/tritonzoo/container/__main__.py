"""The container's main process: lays out the tree, serves it, watches over it, and stops in order.

It ends with code 0 after a stop that was asked for, and with 1 when the server could not start or ended by
itself: the engine's restart policy then starts it again.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from tritonzoo.container.log_forward import LogForwarder
from tritonzoo.container.overlay import lay_out
from tritonzoo.container.settings import STATUS_PORT, Settings
from tritonzoo.container.status_port import Phase, Status, StatusPort, asks
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.embedded.foreground import serve_until_signal
from tritonzoo.errors import TritonZooError

POLL_S = 0.1

log = logging.getLogger("tritonzoo")


def main() -> int:
    """Serve until a signal; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="tritonzoo %(levelname)s %(message)s", stream=sys.stderr)
    try:
        serve(Settings.read(os.environ))
    except TritonZooError as error:
        log.error("%s", error)  # noqa: TRY400  our errors are sentences; a traceback says no more
        return 1
    return 0


def serve(settings: Settings) -> None:
    """Serve the tree until the first signal to stop.

    Raises:
        TritonZooError: it did not start, or ended by itself.
    """
    repository = lay_out(settings.mounted, settings.built_in, settings.scratch / "tree")
    # The state of this server, its log and the links to its backends: on what can be written.
    os.environ["XDG_CACHE_HOME"] = str(settings.scratch)
    options = ServeOptions(
        repository.root,
        Ports(),
        settings.pipelines,
        settings.profile,
        host="0.0.0.0",
        drain_s=settings.drain_s,
        start_timeout_s=settings.start_timeout_s,
        allow_unproved=settings.allow_unproved,
    )
    triton = EmbeddedTriton(options)
    status = Status(asks(options.ports.http), lambda: triton.restarts, lambda: triton.failing)
    port, forwarder = StatusPort(status, STATUS_PORT), LogForwarder(triton.log_file)
    port.start()
    forwarder.start()

    def ready() -> None:
        status.serving(tuple(model.name for model in triton.models if not model.is_ensemble))
        log.info(
            "ready after %.1f s: HTTP 8000, gRPC 8001, Triton's metrics 8002, /ready and /metrics %d",
            status.start_took_s,
            STATUS_PORT,
        )

    def stopping() -> None:
        status.phase = Phase.STOPPING
        log.info("told to stop: not ready any more, still serving for %g s", settings.unready_s)
        until = time.monotonic() + settings.unready_s
        while time.monotonic() < until and not triton.is_aborted:
            time.sleep(POLL_S)
        log.info("answering what is in flight, for at most %g s", settings.drain_s)

    try:
        serve_until_signal(triton, on_ready=ready, on_stopping=stopping)
        log.info("stopped")
    finally:
        forwarder.stop()
        port.stop()


if __name__ == "__main__":
    sys.exit(main())
