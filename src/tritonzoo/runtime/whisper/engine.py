"""The decoding loop: one batch that windows join when there is room and leave when they are done.

One thread runs it. Every window has rows of the batch (as many as it has beams), each step reads one token
of every row, and what a window does depends on nothing but its own rows: neither its neighbours nor the
moment it joins change its tokens.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

import numpy as np

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.tensors import Array
from tritonzoo.runtime.whisper.cache import Cache
from tritonzoo.runtime.whisper.decoding import Branch, Decoding, Heard, Outcome, Row
from tritonzoo.runtime.whisper.graphs import Graphs, Logits
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

_HOLD_S, _HOLD_WITH_JOBS_S = 1.0, 0.12
# Preparing a window takes whisper-small 0.15 s and more: many at once would hold up those at work.
_ADMISSION_S = 0.1


@dataclass(frozen=True)
class EngineOptions:
    """How much is decoded at once."""

    max_rows: int = 16
    admission_steps: int = 12  # the longest that a window waits for others to join with, where there is room
    idle_release_s: float = 30.0  # after so long without a window its memory is given back


@dataclass
class Tally:
    """What has been run, for the log."""

    windows: int = 0
    admissions: int = 0  # groups in which windows joined
    steps: int = 0
    row_steps: int = 0
    readings: int = 0  # runs over several tokens a row: prompts

    @property
    def rows_per_step(self) -> float:
        """How full the batch was."""
        return self.row_steps / self.steps if self.steps else 0.0


@dataclass(eq=False)
class _Window:
    """A window between `submit` and its outcome."""

    encoded: Array
    decoding: Decoding
    future: Future[Outcome] = field(default_factory=Future)
    is_cancelled: bool = False


class Engine:
    """Decodes windows; `submit` from any thread."""

    def __init__(self, graphs: Graphs, vocabulary: Vocabulary, options: EngineOptions) -> None:
        self.tally = Tally()
        self._graphs, self._vocabulary, self._options = graphs, vocabulary, options
        self._cache = Cache(graphs.shape, options.max_rows, vocabulary.positions)
        self._scratch = np.empty(graphs.vocabulary_size, np.float32)
        self._rows: list[Row | None] = []  # by slot; None where a row has left
        self._windows: dict[Decoding, _Window] = {}  # at work
        self._waiting: deque[_Window] = deque()
        self._steps_since_admission = 0
        self._is_closing = False
        self._changed = threading.Condition()  # of all of the above that other threads see
        self._admissions = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="whisper", daemon=True)
        self._thread.start()

    def submit(self, encoded: Array, options: DecodingOptions) -> Future[Outcome]:
        """Decode one window, `encoded` (positions, width), which must stay as it is until then.

        Raises InvalidInput for what cannot be decoded.
        """
        if encoded.shape != self._graphs.encoded_shape:
            raise InvalidInput(
                f"encoded has shape {list(encoded.shape)} and must have {list(self._graphs.encoded_shape)}:"
                " positions and width of whisper_encoder's answer"
            )
        if not np.isfinite(encoded).all():
            raise InvalidInput("encoded holds NaN or infinity; send what whisper_encoder answered")
        decoding = Decoding(self._vocabulary, options, self._scratch)
        if decoding.most_rows > self._options.max_rows:
            raise InvalidInput(
                f"beam_size is {options.beam_size}, and this server decodes {self._options.max_rows} rows at"
                " once; ask for fewer beams"
            )
        window = _Window(encoded, decoding)
        with self._changed:
            self._waiting.append(window)
            self._changed.notify()
        return window.future

    def cancel(self, job: str) -> None:
        """End every window of a job, waiting or at work; returns when they are out of the batch."""
        with self._changed:
            found = [
                window
                for window in (*self._waiting, *self._windows.values())
                if window.decoding.options.job == job
            ]
            self._end(found)
        wait(window.future for window in found)

    def give_up(self, future: Future[Outcome]) -> None:
        """End the window whose outcome this is, at the next step."""
        with self._changed:
            everyone = (*self._waiting, *self._windows.values())
            self._end([window for window in everyone if window.future is future])

    def wait_for_admission(self) -> None:
        """Return when windows have joined, or at once where nothing is decoded.

        Whoever hands windows over waits here, so that those that come meanwhile come together. Not for long
        where windows have a job, because a request to cancel it would wait as well.
        """
        with self._changed:
            windows = (*self._waiting, *self._windows.values())
            has_jobs = any(window.decoding.options.job for window in windows)
        with self._admissions:
            if windows:
                self._admissions.wait(_HOLD_WITH_JOBS_S if has_jobs else _HOLD_S)

    def close(self) -> None:
        """Finish what is there and stop."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _end(self, windows: Sequence[_Window]) -> None:
        for window in windows:
            window.is_cancelled = True
        self._changed.notify()

    def _loop(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  it belongs to the windows at work, and the loop goes on
                self._fail(list(self._windows.values()), error)
                self._rows.clear()

    def _wait_for_work(self) -> bool:
        with self._changed:
            if not self._changed.wait_for(self._has_news, self._options.idle_release_s):
                self._graphs.forget_bindings()
                self._cache.release()
                self._changed.wait_for(self._has_news)
            return self._has_work()

    def _has_news(self) -> bool:
        return self._has_work() or self._is_closing

    def _has_work(self) -> bool:
        return bool(self._waiting or self._windows)

    def _turn(self) -> None:
        """Windows leave and join, prompts are read, and every row reads one token."""
        self._drop_cancelled()
        self._admit()
        while slots := self._slots_with_several():
            self._read(slots)
        self._close_ranks()
        if self._rows:
            self._step()

    def _drop_cancelled(self) -> None:
        with self._changed:
            for window in [window for window in self._waiting if window.is_cancelled]:
                self._waiting.remove(window)
                window.future.set_result(window.decoding.cancelled())
            cancelled = [window for window in self._windows.values() if window.is_cancelled]
        for window in cancelled:
            self._leave(window, window.decoding.cancelled())

    def _admit(self) -> None:
        """Windows that wait join where there is room.

        Reading a prompt costs the batch nearly a step, however many are read. So the fuller the batch, the
        longer a window waits for others to be read with: as many steps as there are rows at work. That costs
        nothing where it matters: at 16 callers the time of the processor per window is the same. Where nobody
        is at work, all that wait join, so that their prompts are one run and they stay in step.
        """
        self._steps_since_admission += 1
        if self._steps_since_admission < min(self._options.admission_steps, len(self._rows)):
            return
        until_s, joined = time.monotonic() + _ADMISSION_S if self._rows else math.inf, 0
        while (is_in_time := self._is_in_time(until_s)) and (window := self._next_with_room()):
            joined += 1
            (row,) = window.decoding.rows
            self._place(row)
            try:
                self._graphs.attend(self._cache, row.slot, window.encoded)
            except Exception as error:  # noqa: BLE001  this window's alone
                self._fail([window], error)
        if is_in_time:
            self._steps_since_admission = 0  # else the others join at the next step
        if joined:
            self.tally.windows += joined
            self.tally.admissions += 1
            with self._admissions:
                self._admissions.notify_all()

    def _is_in_time(self, until_s: float) -> bool:
        """Whether a window may still be prepared: not when those at work or who cancels would wait for it."""
        with self._changed:
            everyone = (*self._waiting, *self._windows.values())
            return time.monotonic() < until_s and not any(window.is_cancelled for window in everyone)

    def _next_with_room(self) -> _Window | None:
        """The window that has waited longest, now at work; None where none waits or it needs more rows."""
        with self._changed:
            free = self._options.max_rows - sum(decoding.most_rows for decoding in self._windows)
            if not self._waiting or self._waiting[0].decoding.most_rows > free:
                return None
            window = self._waiting.popleft()
            self._windows[window.decoding] = window
            return window

    def _place(self, row: Row) -> None:
        """Give a row a slot: one that was left, or the next."""
        if None in self._rows:
            row.slot = self._rows.index(None)
            self._rows[row.slot] = row
        else:
            row.slot = len(self._rows)
            self._rows.append(row)

    def _close_ranks(self) -> None:
        """Move the last rows into slots that were left: the rows at work are the first of the cache."""
        while None in self._rows:
            last = self._rows.pop()
            if last is not None:
                hole = self._rows.index(None)
                self._cache.copy(last.slot, hole, last.past)
                self._rows[hole], last.slot = last, hole

    def _slots_with_several(self) -> list[int]:
        return [slot for slot, row in enumerate(self._rows) if row is not None and len(row.pending) > 1]

    def _read(self, slots: Sequence[int]) -> None:
        """Read the prompts of rows that have several tokens to read, neighbours together."""
        for run in _neighbours(slots):
            rows = self._rows_of(run)
            self._reserve()
            logits = self._graphs.read(
                self._cache, run[0], [row.pending for row in rows], [row.past for row in rows]
            )
            self.tally.readings += 1
            self._advance(rows, logits)

    def _step(self) -> None:
        rows = self._rows_of(range(len(self._rows)))
        self._reserve()
        logits = self._graphs.step(self._cache, [row.pending[0] for row in rows], [row.past for row in rows])
        self.tally.steps += 1
        self.tally.row_steps += len(rows)
        self._advance(rows, logits)

    def _rows_of(self, slots: Sequence[int]) -> list[Row]:
        return [row for row in (self._rows[slot] for slot in slots) if row is not None]

    def _reserve(self) -> None:
        longest = max(row.past + len(row.pending) for row in self._rows if row is not None)
        self._cache.reserve(longest, len(self._rows))

    def _advance(self, rows: Sequence[Row], logits: Logits) -> None:
        """Let every window whose rows were read choose how it goes on."""
        heard: dict[Decoding, list[Heard]] = {}
        for index, row in enumerate(rows):
            row.past += len(row.pending)
            heard.setdefault(row.decoding, []).append(
                Heard(row, logits.logits[index], logits.attention[index])
            )
        for decoding, of_window in heard.items():
            window = self._windows[decoding]
            try:
                advanced = decoding.advance(of_window)
            except Exception as error:  # noqa: BLE001  this window's alone
                self._fail([window], error)
                continue
            if isinstance(advanced, Outcome):
                self._leave(window, advanced)
            else:
                self._branch(decoding, advanced)

    def _branch(self, decoding: Decoding, branches: Sequence[Branch]) -> None:
        """Give each branch a row: the first of a source goes on in place, the others get a copy."""
        sources = {branch.source for branch in branches}
        spare = [row for row in decoding.rows if row not in sources]
        going_on: list[tuple[Row, Branch]] = []
        for branch in branches:
            if branch.source in sources:
                sources.remove(branch.source)
                going_on.append((branch.source, branch))
            elif spare:
                row = spare.pop()
                self._cache.copy_tokens(branch.source.slot, row.slot, branch.past)
                going_on.append((row, branch))
            else:
                row = Row(decoding, [])
                self._place(row)
                self._cache.copy(branch.source.slot, row.slot, branch.past)
                going_on.append((row, branch))
        for row in spare:
            self._rows[row.slot] = None
        for row, branch in going_on:
            row.past, row.pending, row.hypothesis = branch.past, branch.pending, branch.hypothesis
        decoding.rows = [row for row, _ in going_on]

    def _leave(self, window: _Window, outcome: Outcome) -> None:
        self._free(window)
        window.future.set_result(outcome)

    def _fail(self, windows: Sequence[_Window], error: Exception) -> None:
        for window in windows:
            self._free(window)
            window.future.set_exception(error)

    def _free(self, window: _Window) -> None:
        for row in window.decoding.rows:
            if 0 <= row.slot < len(self._rows) and self._rows[row.slot] is row:
                self._rows[row.slot] = None
        with self._changed:
            del self._windows[window.decoding]


def _neighbours(slots: Sequence[int]) -> Iterator[list[int]]:
    """Rising slots in runs without a gap."""
    run: list[int] = []
    for slot in slots:
        if run and slot != run[-1] + 1:
            yield run
            run = []
        run.append(slot)
    if run:
        yield run
