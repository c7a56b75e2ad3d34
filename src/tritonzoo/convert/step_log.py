"""What one conversion did, in `<model>/logs/<artifact>.log`, under the command that repeats it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

Step = Callable[[str], None]


@contextmanager
def logged(log: Path, command: str, on_step: Step) -> Iterator[Step]:
    """Tell of each step as before, and write it to `log` with the seconds since the start.

    The log opens with `command` and ends with how it ended: done, failed and why, or stopped. A log that
    cannot be written stops nothing; it is told of once.
    """
    start_s = time.monotonic()
    is_open = True

    def write(text: str, mode: str = "a") -> None:
        nonlocal is_open
        if not is_open:
            return
        try:
            log.parent.mkdir(exist_ok=True)
            with log.open(mode, encoding="utf-8") as file:
                file.write(f"{text}\n")
        except OSError as error:
            is_open = False
            on_step(f"without a log: {log} cannot be written ({error.strerror})")

    def step(text: str) -> None:
        write(f"{time.monotonic() - start_s:8.1f} s  {text}")
        on_step(text)

    write(f"$ {command}\n# {datetime.now(timezone.utc).isoformat(timespec='seconds')}", mode="w")
    try:
        yield step
    except Exception as error:
        write(f"{time.monotonic() - start_s:8.1f} s  failed: {error}")
        raise
    except BaseException as error:
        write(f"{time.monotonic() - start_s:8.1f} s  stopped: {type(error).__name__}")
        raise
    write(f"{time.monotonic() - start_s:8.1f} s  done")
