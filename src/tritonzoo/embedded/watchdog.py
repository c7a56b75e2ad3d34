"""Bringing back Python models whose process died.

Triton never notices: it goes on calling the model ready, and every request for it fails after a second. The
watchdog looks at the stubs' processes a few times a second and loads a model anew whose stub is gone. Loading
an unchanged model does nothing, so it is given its own configuration with one parameter more. The new process
is ready before the old model is let go, so the model and the pipelines above it stay available all along, and
no other model is touched.

A model that keeps dying is retried ever more slowly; so is one that cannot be loaded any more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tritonzoo.embedded import shm
from tritonzoo.embedded.admin import READY, ModelControl
from tritonzoo.embedded.stubs import Stub, find_stubs
from tritonzoo.errors import ServerError
from tritonzoo.repository import Model
from tritonzoo.runtime import proc

POLL_S = 0.25  # a handful of reads in /proc; detection is at most this late
SCAN_S = 5.0  # looking through all of /proc for stubs that somebody else's load has started
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0
STEADY_S = 60.0  # alive for so long after a restart, a model counts as sound again
JOIN_S = 2.0

log = logging.getLogger(__name__)


@dataclass
class Patient:
    """A model that has died at least once."""

    failures_in_a_row: int = 0  # deaths soon after a restart, and restarts in vain
    revived_at_s: float = 0.0
    due_s: float | None = None  # when to bring it back; None: it is alive

    @property
    def is_waiting(self) -> bool:
        """Whether it is dead and will be brought back."""
        return self.due_s is not None

    def died(self, now_s: float) -> float:
        """Count a death; returns how long to wait before the next attempt."""
        if now_s - self.revived_at_s > STEADY_S:
            self.failures_in_a_row = 0
        return self.failed(now_s)

    def failed(self, now_s: float) -> float:
        """Count a death, or an attempt in vain; returns how long to wait before the next attempt."""
        self.failures_in_a_row += 1
        delay_s = delay_before(self.failures_in_a_row)
        self.due_s = now_s + delay_s
        return delay_s


def delay_before(attempt: int) -> float:
    """Seconds to wait before the `attempt`-th restart in a row: none for the first, then doubling."""
    if attempt <= 1:
        return 0.0
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt - 2, 16))


class Watchdog:
    """Watches over the stubs of one server, in a thread of its own.

    Attributes:
        restarts: by model, how often it was brought back.
        failing: by model, why it could not be brought back at the last attempt.
    """

    def __init__(
        self,
        server_pid: int,
        control: ModelControl,
        models: Sequence[Model],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.restarts: dict[str, int] = {}
        self.failing: dict[str, str] = {}
        self._server_pid = server_pid
        self._control = control
        self._models = models
        self._on_change = on_change
        self._patients: dict[str, Patient] = {}
        self._stubs: dict[str, Stub] = {}  # by instance
        self._next_scan_s = 0.0
        self._reviving: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch; the stubs that run now are known when this returns."""
        self._scan()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; a model that is just being brought back is given up after a moment.

        Triton answers no other admin call while it loads that model, so its new process is ended.
        """
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
            if self._reviving is not None:
                self._give_up(self._reviving)
                self._thread.join(JOIN_S)

    def _give_up(self, model: str) -> None:
        watched = {stub.pid for stub in self._stubs.values()}
        for stub in find_stubs(self._server_pid, self._models):
            if stub.model == model and stub.pid not in watched:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stub.pid, signal.SIGKILL)

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            server = proc.process(self._server_pid)
            if server is None or not server.is_alive:
                return
            try:
                self._round(time.monotonic())
            except ServerError as error:  # Triton did not answer; the dead stay known for the next round
                if not self._stop.is_set():
                    log.warning("watchdog: %s; trying again", error)
            except Exception:  # a fault of ours must not end the watch over all the other models
                log.exception("watchdog: unexpected; watching on")

    def _round(self, now_s: float) -> None:
        dead = [
            stub
            for stub in self._stubs.values()
            if not stub.is_alive and not self._patient(stub.model).is_waiting
        ]
        if dead or now_s >= self._next_scan_s:
            self._scan()
        for stub in dead:
            if self._stubs[stub.instance] == stub:  # else it was replaced on purpose
                self._notice(stub, now_s)
        for name, patient in self._patients.items():
            if patient.due_s is not None and now_s >= patient.due_s and not self._stop.is_set():
                self._revive(name, patient)

    def _scan(self) -> None:
        """Take in the stubs that run now; one that died stays on the list until it is seen to."""
        found = find_stubs(self._server_pid, self._models)
        self._stubs.update({stub.instance: stub for stub in found})
        self._next_scan_s = time.monotonic() + SCAN_S

    def _patient(self, model: str) -> Patient:
        return self._patients.setdefault(model, Patient())

    def _notice(self, stub: Stub, now_s: float) -> None:
        """Note a stub that is gone; it is forgotten where its model was unloaded on purpose."""
        if self._control.index().get(stub.model) != READY:
            del self._stubs[stub.instance]
            return
        patient = self._patient(stub.model)
        if patient.is_waiting:  # another instance of the same model went before, in this round
            return
        delay_s = patient.died(now_s)
        if delay_s > 0:
            log.error(
                "%s: its Python process %d died, %d times in a row now; next attempt in %g s",
                stub.model,
                stub.pid,
                patient.failures_in_a_row,
                delay_s,
            )
        shm.remove(stub.shm_name)

    def _revive(self, name: str, patient: Patient) -> None:
        began_s = time.monotonic()
        restarts = self.restarts.get(name, 0) + 1
        self._reviving = name
        try:
            self._control.reload(name)
        except ServerError as error:
            if self._stop.is_set():
                return
            self.failing[name] = str(error)
            delay_s = patient.failed(time.monotonic())
            log.warning("%s could not be brought back: %s; next attempt in %g s", name, error, delay_s)
        else:
            patient.due_s = None
            patient.revived_at_s = time.monotonic()
            self.restarts[name] = restarts
            self.failing.pop(name, None)
            took_s = time.monotonic() - began_s
            log.warning("%s: its Python process died; back after %.1f s (restart %d)", name, took_s, restarts)
        finally:
            self._reviving = None
        self._scan()
        if not self._stop.is_set():
            self._on_change()
