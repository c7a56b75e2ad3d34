"""One event loop in a thread of its own, on which every blocking `Client` of the process makes its calls.

So blocking calls are thread-safe over both protocols and share connections: tritonclient's blocking HTTP
client rests on gevent and may not be used from two threads, its asyncio one has no such limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

T = TypeVar("T")

CLOSE_TIMEOUT_S = 2.0


class LoopThread:
    """A running event loop; lives as long as its process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tritonzoo-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop and wait for its result; Ctrl-C while waiting ends the coroutine too."""
        if os.getpid() != self._pid:
            coroutine.close()
            raise RuntimeError("this Client was made before the process forked; make one in each process")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # does nothing to one that is done

    def finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a clean-up from wherever the garbage collector or the interpreter's exit calls it."""
        if os.getpid() != self._pid:
            coroutine.close()  # the connections belong to the parent process
            return
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        if threading.current_thread() is not self._thread:
            with contextlib.suppress(FutureTimeoutError):  # a clean-up that hangs holds no exit up
                future.result(CLOSE_TIMEOUT_S)


_lock = threading.Lock()
_shared: LoopThread | None = None


def shared_loop() -> LoopThread:
    """Return the loop of this process, started at the first call."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = LoopThread()
        return _shared


def _forget_after_fork() -> None:
    global _lock, _shared
    _lock, _shared = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_after_fork)
