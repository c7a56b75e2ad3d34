"""Requests at work, and the watch over callers who leave."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tritonzoo.runtime.errors import CancelledError

POLL_S = 0.05  # asking Triton costs about 0.1 ms


class Job:
    """One transcription: its id, and whether anybody still wants it."""

    def __init__(self, is_cancelled: Callable[[], bool]) -> None:
        self.id = secrets.token_hex(8)
        self._is_cancelled = is_cancelled
        self._over = threading.Event()

    def check(self) -> None:
        """Raise CancelledError once nobody wants the result."""
        if self._over.is_set():
            raise CancelledError("the caller cancelled the request")

    def give_up(self) -> None:
        """From now on `check` raises."""
        self._over.set()

    def caller_has_left(self) -> bool:
        """Ask Triton."""
        return self._is_cancelled()


class Watch:
    """Looks every 50 ms whether the caller of a job has left, and ends the job at once where it is at work.

    The thread of a request may be waiting for a model, so it cannot look itself.
    """

    def __init__(self, cancel: Callable[[str], None], log: logging.Logger) -> None:
        """`cancel` frees what the members hold for a job, by its id."""
        self._cancel, self._log = cancel, log
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._cancelling = ThreadPoolExecutor(4, thread_name_prefix="cancel")
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, job: Job) -> Iterator[None]:
        """Watch a job; one that ends with an error is given up wherever it is still at work."""
        with self._lock:
            self._jobs[job.id] = job
        finished = False
        try:
            yield
            finished = True
        finally:
            with self._lock:
                watched = self._jobs.pop(job.id, None)
            if not finished and watched is not None:
                self._end(job)

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        self._thread.join()
        self._cancelling.shutdown()

    def _look(self) -> None:
        while not self._stopped.wait(POLL_S):
            with self._lock:
                jobs = list(self._jobs.values())
            for job in jobs:
                if job.caller_has_left():
                    with self._lock:
                        watched = self._jobs.pop(job.id, None)
                    if watched is not None:
                        self._end(job)

    def _end(self, job: Job) -> None:
        job.give_up()
        self._cancelling.submit(self._free, job)

    def _free(self, job: Job) -> None:
        try:
            self._cancel(job.id)
        except RuntimeError as error:  # the decoder is gone or failing, and so holds nothing of this job
            self._log.warning("cancelling a transcription: %s", error)
