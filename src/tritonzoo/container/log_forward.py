"""Triton's log on the container's standard output, where the engine collects it.

Triton writes to a file, because its supervisor reads there which models have loaded. That file lies in
memory, so it is emptied whenever it has grown: what was forwarded is not needed any more.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.1
KEPT_BYTES = 4 * 1024 * 1024


class LogForwarder:
    """Copies what is added to `path` to `output`, in a thread, until `stop`."""

    def __init__(self, path: Path, output: BinaryIO | None = None) -> None:
        self._path = path
        self._output = output or sys.stdout.buffer
        self._offset = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Forward what is left, and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            self.forward()
        self.forward()

    def forward(self) -> None:
        """Copy what was added since the last call; then empty a file that has grown large."""
        try:
            with self._path.open("r+b") as file:
                file.seek(self._offset)
                added = file.read()
                self._output.write(added)
                self._output.flush()
                self._offset += len(added)
                if self._offset > KEPT_BYTES:
                    file.truncate(0)  # Triton appends, so it goes on at the new end
                    self._offset = 0
        except FileNotFoundError:  # not started yet
            return
