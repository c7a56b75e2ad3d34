"""A server in the foreground: until Ctrl-C, SIGTERM, its terminal closes, or its own end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tritonzoo.embedded.server import EmbeddedTriton
from tritonzoo.errors import ServerError

POLL_S = 0.2


def serve_until_signal(
    triton: EmbeddedTriton,
    on_ready: Callable[[], None],
    on_stopping: Callable[[], None] = lambda: None,
    on_progress: Callable[[int, int, str], None] = lambda loaded, total, name: None,
) -> None:
    """Start `triton`, and serve until the first signal to stop; a second one ends it without draining.

    To be called from the main thread. `on_ready` and `on_stopping` are for telling the user.

    Raises:
        ServerError: the server did not start, or ended by itself.
    """
    with stop_signals() as stop:
        stop.when_repeated = triton.abort
        try:
            with stop.interrupting():
                triton.start(on_progress)
        except Interrupted:
            return
        try:
            on_ready()
            while not stop.requested.wait(POLL_S):
                if triton.wait(0):
                    raise ServerError(triton.why_ended())
            on_stopping()
        finally:
            triton.stop()


class Interrupted(BaseException):
    """A stop signal came while models were loading."""


class StopSignals:
    """The signals to stop: `requested` after the first, `when_repeated` is called at each further one."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.when_repeated: Callable[[], None] = lambda: None
        self._interrupts = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        if self.requested.is_set():
            self.when_repeated()
        self.requested.set()
        if self._interrupts:
            self._interrupts = False
            raise Interrupted

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within it the first signal raises `Interrupted`: nothing is in flight that could be lost."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Take over SIGINT, SIGTERM, and SIGHUP unless `nohup` has it ignored, for a while."""
    stop = StopSignals()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, stop.handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
