"""The load: clients in a closed loop, or arrivals in an open one, without a pause until it is told to stop.

What is measured is cut out of the running load by times, so repeats follow each other at full load.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tritonzoo.bench.calls import Caller, Made, Reply
from tritonzoo.bench.options import Arrivals, Load
from tritonzoo.bench.schedule import due_times_s

PAUSE_AFTER_ERROR_S = 0.01  # so that clients of a server that refuses do not ask for nothing else


@dataclass(frozen=True)
class Call:
    """One request that was made; times are of `time.perf_counter`."""

    input: int  # which
    due_s: float  # when it was to be sent: latency counts from here
    done_s: float
    reply: Reply  # its body only where it is looked at later

    @property
    def latency_s(self) -> float:
        return self.done_s - self.due_s


class Generator:
    """Sends requests and keeps what became of each."""

    def __init__(self, caller: Caller, requests: Sequence[Made], kept: Sequence[bool], seed: int) -> None:
        """`kept[i]`: whether answers to `requests[i]` are looked at later."""
        self.calls: list[Call] = []
        self._caller = caller
        self._requests = requests
        self._kept = kept
        self._seed = seed
        self._running = False

    def stop(self) -> None:
        """Send nothing more; what is under way is awaited."""
        self._running = False

    async def run(self, load: Load, arrivals: Arrivals) -> None:
        """Load until `stop`, then await what is under way."""
        self._running = True
        order = _shuffled(len(self._requests), self._seed)
        if load.kind == "concurrency":
            await asyncio.gather(*(self._client(order) for _ in range(int(load.value))))
        else:
            await self._arrive(order, load.value, arrivals)

    async def _client(self, order: Iterator[int]) -> None:
        while self._running:
            call = await self._ask(next(order), time.perf_counter())
            if call.reply.error:
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _arrive(self, order: Iterator[int], rate_per_s: float, arrivals: Arrivals) -> None:
        start_s = time.perf_counter()
        sent: list[asyncio.Task[Call]] = []
        for due_s in due_times_s(rate_per_s, math.inf, arrivals, self._seed):
            await asyncio.sleep(start_s + due_s - time.perf_counter())
            if not self._running:
                break
            sent.append(asyncio.create_task(self._ask(next(order), start_s + due_s)))
        await asyncio.gather(*sent)

    async def _ask(self, index: int, due_s: float) -> Call:
        reply = await self._caller.send(self._requests[index])
        done_s = time.perf_counter()
        call = Call(index, due_s, done_s, reply if reply.error or self._kept[index] else Reply())
        self.calls.append(call)
        return call


def _shuffled(count: int, seed: int) -> Iterator[int]:
    """Every index once, in an order of its own each time round: the mix stays, patterns do not."""
    draw = random.Random(seed)
    order = list(range(count))
    while True:
        draw.shuffle(order)
        yield from order
