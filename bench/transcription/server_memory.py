"""How much memory a server takes, process by process, while something else is measured."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from tritonzoo.embedded import EmbeddedTriton

SAMPLE_EVERY_S = 0.5


class ServerMemory:
    """The most that each process of a server took (proportional set size) while the block lasted."""

    def __init__(self, triton: EmbeddedTriton) -> None:
        self._triton = triton
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most_mb: dict[str, float] = {}  # by process
        self.most_together_mb = 0.0
        self.before_mb = 0.0

    def __enter__(self) -> ServerMemory:
        self.before_mb = sum(self._now().values())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(self.most_mb.items()))
        return f"{self.before_mb:.0f} MB before, at most {self.most_together_mb:.0f} MB ({parts})"

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLE_EVERY_S):
            now = self._now()
            self.most_together_mb = max(self.most_together_mb, sum(now.values()))
            for name, mb in now.items():
                self.most_mb[name] = max(self.most_mb.get(name, 0.0), mb)

    def _now(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in self._triton.pids:
            try:
                arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:  # it ended meanwhile
                continue
            # A stub's first argument is the path of its model.py, in the model's version folder.
            is_stub = arguments[0].endswith("python_backend_stub")
            name = _model(arguments[1]) if is_stub else "tritonserver"
            pss_kb = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            found[name] = found.get(name, 0.0) + pss_kb / 1024
        return found


def _model(path: str) -> str:
    parts = Path(path).parts
    return parts[-2] if "backends" in parts else parts[-3] if len(parts) > 2 else path
