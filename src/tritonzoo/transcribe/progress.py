"""A bar of seconds of audio: one for all recordings, and one for each at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tritonzoo.progress import console

LONGEST_NAME = 32


class AudioProgress:
    """Shows how much audio is transcribed, and how fast: seconds of audio a second.

    A recording whose length is not known beforehand counts with what the server has read of it.
    """

    def __init__(self, durations_s: Sequence[float | None]) -> None:
        self._totals = [duration or 0.0 for duration in durations_s]
        self._known = [duration is not None for duration in durations_s]
        self._done = [0.0] * len(durations_s)
        self._tasks: dict[int, TaskID] = {}
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} s of audio"),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._all = self._bar.add_task("all", total=sum(self._totals), pace="")

    def __enter__(self) -> AudioProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def print(self, line: str) -> None:
        """A line above the bars."""
        self._bar.console.print(line, soft_wrap=True)

    @contextmanager
    def recording(self, number: int, name: str) -> Iterator[None]:
        """A bar for one recording while it is worked on."""
        shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
        self._tasks[number] = self._bar.add_task(escape(shown), total=self._totals[number], pace="")
        try:
            yield
        finally:
            self._bar.remove_task(self._tasks.pop(number))
            self._done[number] = self._totals[number]
            self._show_all()

    def at(self, number: int, transcribed_s: float, read_s: float) -> None:
        """So much of a recording is transcribed, of what the server has read."""
        self._done[number] = transcribed_s
        if not self._known[number]:
            self._totals[number] = max(read_s, transcribed_s)
        self._bar.update(self._tasks[number], completed=transcribed_s, total=self._totals[number])
        self._show_all()

    def _show_all(self) -> None:
        task = self._bar.tasks[0]
        pace = sum(self._done) / task.elapsed if task.elapsed else 0.0
        self._bar.update(self._all, completed=sum(self._done), total=sum(self._totals), pace=f"{pace:.1f}x")
