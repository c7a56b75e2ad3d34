"""Work on many items at once, results in the order of the items, never more than a few ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(items: Iterable[T], work: Callable[[T], R], pool: Executor, most: int) -> Generator[tuple[T, R]]:
    """Each item with what `work` made of it; at most `most` items are taken before their results are.

    So whoever takes results slowly holds up the work, and memory stays bounded. The first error is raised
    in its item's turn; what has not begun by then is not begun.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            while waiting and (len(waiting) >= most or waiting[0][1].done()):
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
