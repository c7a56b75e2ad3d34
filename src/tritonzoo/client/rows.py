"""Many inputs in few requests: split, several under way at once, in order, each mistake its own row's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from tritonzoo.client.description import Pipeline
from tritonzoo.client.transport import Array
from tritonzoo.errors import InvalidInputError, ServerFaultError

# A request passes to a Python model through shared memory, of which a container has 64 MiB by default and
# which never shrinks; large pictures therefore travel in small company.
MOST_REQUEST_BYTES = 4 * 1024 * 1024

T = TypeVar("T")
Row = Mapping[str, Array]
Request = Callable[[Mapping[str, Array]], Awaitable[Mapping[str, Array]]]


async def ask_rows(
    request: Request,
    pipeline: Pipeline,
    tensor: str,
    values: Sequence[bytes | InvalidInputError],
    *,
    in_flight: int,
    return_exceptions: bool,
) -> list[Row | InvalidInputError]:
    """Ask for each of `values`, as one BYTES input, in batches of the pipeline's size; answers in order.

    A row that the server refuses is found by halving its batch, so the other rows are answered. A value
    that is an error already is not sent. Without `return_exceptions` the first refusal is raised, with
    its row, and what is still under way is given up.
    """
    answers: list[Row | InvalidInputError] = [
        value if isinstance(value, InvalidInputError) else {} for value in values
    ]
    sendable = [row for row, value in enumerate(values) if not isinstance(value, InvalidInputError)]

    async def ask(rows: Sequence[int]) -> None:
        batch = np.array([[values[row]] for row in rows], dtype=object)
        try:
            answer = await request({tensor: batch if pipeline.max_batch_size else batch[0]})
        except InvalidInputError as refusal:
            if len(rows) > 1:
                half = len(rows) // 2
                await ask(rows[:half])
                await ask(rows[half:])
                return
            refused = InvalidInputError(refusal.sentence, rows[0])
            if not return_exceptions:
                raise refused from None
            answers[rows[0]] = refused
            return
        for row, answered in zip(rows, _rows_of(answer, pipeline, len(rows)), strict=True):
            answers[row] = answered

    await _all_of(ask, _batches(sendable, values, max(pipeline.max_batch_size, 1)), in_flight)
    return answers


def _batches(
    rows: Sequence[int], values: Sequence[bytes | InvalidInputError], most_rows: int
) -> list[list[int]]:
    """Neighbours together, as many as a request may have in number and in bytes."""
    batches: list[list[int]] = []
    bytes_in_last = 0
    for row in rows:
        value = values[row]
        size = len(value) if isinstance(value, bytes) else 0
        if not batches or len(batches[-1]) == most_rows or bytes_in_last + size > MOST_REQUEST_BYTES:
            batches.append([])
            bytes_in_last = 0
        batches[-1].append(row)
        bytes_in_last += size
    return batches


def _rows_of(answer: Mapping[str, Array], pipeline: Pipeline, rows: int) -> list[Row]:
    missing = [tensor.name for tensor in pipeline.outputs if tensor.name not in answer]
    if missing:
        raise ServerFaultError(f"{pipeline.name} answered without {', '.join(missing)}; see the server's log")
    if not pipeline.max_batch_size:
        return [answer]
    wrong = [name for name, array in answer.items() if array.shape[:1] != (rows,)]
    if wrong:
        raise ServerFaultError(
            f"{pipeline.name} was asked for {rows} rows and gave {answer[wrong[0]].shape[0]} of {wrong[0]}; "
            "see the server's log"
        )
    return [{name: array[row] for name, array in answer.items()} for row in range(rows)]


async def _all_of(work: Callable[[T], Awaitable[None]], items: Sequence[T], at_once: int) -> None:
    """Do `work` on each item, `at_once` at a time; the first error ends the rest and is raised."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(at_once, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
