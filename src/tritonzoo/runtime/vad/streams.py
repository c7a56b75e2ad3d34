"""What a model remembers of each of its sequences for as long as they live, and whose turn it is."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tritonzoo.runtime.errors import InvalidInput

T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    """One sequence's memory."""

    value: T
    used_s: float = field(default_factory=time.monotonic)


class Turns:
    """Requests of one sequence one after another, in the order in which `take` was called for them."""

    def __init__(self) -> None:
        self._last: dict[int | str, threading.Event] = {}  # of each sequence: set when its last is done
        self._lock = threading.Lock()

    def take(self, sequence: int | str) -> AbstractContextManager[None]:
        """A turn: entering waits for those that were taken before."""
        done = threading.Event()
        with self._lock:
            before = self._last.get(sequence)
            self._last[sequence] = done
        return self._turn(sequence, before, done)

    @contextmanager
    def _turn(
        self, sequence: int | str, before: threading.Event | None, done: threading.Event
    ) -> Iterator[None]:
        if before is not None:
            before.wait()
        try:
            yield
        finally:
            done.set()
            with self._lock:
                if self._last.get(sequence) is done:
                    del self._last[sequence]


class Streams(Generic[T]):
    """One value for each sequence; those that nobody used for `idle_s` are dropped.

    Triton drops an idle sequence too and does not tell the model, whose memory would grow for ever.
    """

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._kept: OrderedDict[int | str, _Kept[T]] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, sequence: int | str, value: T) -> None:
        """Remember `value`; what there was of a sequence of this name is forgotten."""
        with self._lock:
            self._drop_idle()
            self._kept[sequence] = _Kept(value)
            self._kept.move_to_end(sequence)

    def of(self, sequence: int | str) -> T:
        """The sequence's value.

        Raises:
            InvalidInput: there is none: it never began, has ended, or was idle for too long.
        """
        with self._lock:
            self._drop_idle()
            kept = self._kept.get(sequence)
            if kept is None:
                raise InvalidInput(
                    f"sequence {sequence} is not known: it has ended, or was idle for {self._idle_s:g} s;"
                    " begin a new one with the START flag"
                )
            kept.used_s = time.monotonic()
            self._kept.move_to_end(sequence)
            return kept.value

    def end(self, sequence: int | str) -> None:
        """Forget a sequence."""
        with self._lock:
            self._kept.pop(sequence, None)

    def _drop_idle(self) -> None:
        oldest = time.monotonic() - self._idle_s
        while self._kept and next(iter(self._kept.values())).used_s < oldest:
            self._kept.popitem(last=False)
