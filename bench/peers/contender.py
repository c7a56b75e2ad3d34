"""Who is compared: what a contender is called, and what can be asked of one that is loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bench.peers.errors import ContenderError
from bench.peers.window import Window

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.bench.generator import Generator
from tritonzoo.bench.options import Load
from tritonzoo.bench.resources import memory_bytes, processor

Role = Literal["ours", "peer", "limit"]
KEPT = 64  # the first so many inputs: each answer to them is compared with the reference
RAMP_S = 0.6  # under load, before a window


@dataclass(frozen=True)
class Contender:
    """One way to be answered."""

    key: str  # in the saved figures
    title: str
    role: Role
    wire: Literal["gRPC", "HTTP", "in-process"]
    settings: str = ""  # what it was started with
    versions: Mapping[str, str] = field(default_factory=dict)


class Sender(Protocol):
    """One protocol; see `tritonzoo.bench.calls.Caller`."""

    async def send(self, made: Made) -> Reply: ...
    async def close(self) -> None: ...


class Loaded(Protocol):
    """A contender that runs."""

    contender: Contender
    agreements: list[float]  # of each answer that was compared

    async def window(self, clients: int, seconds: float, seed: int) -> Window: ...
    def memory_bytes(self) -> int: ...
    async def close(self) -> None: ...


@dataclass
class Served:
    """A server, loaded over its wire by so many clients that each wait for their answer.

    Attributes:
        compare: the index of an input and the answer to it, to how far it agrees with the reference.
    """

    contender: Contender
    sender: Sender
    requests: Sequence[Made]
    pids: Callable[[], list[int]]
    compare: Callable[[int, Reply], float]
    address: str = ""  # of ours: where its metadata is asked for
    agreements: list[float] = field(default_factory=list)

    async def window(self, clients: int, seconds: float, seed: int) -> Window:
        """Raises ContenderError where a request fails: a rate with errors in it is none."""
        kept = [index < KEPT for index in range(len(self.requests))]
        generator: Any = Generator(self.sender, self.requests, kept, seed)
        running = asyncio.create_task(generator.run(Load("concurrency", clients), "constant"))
        await asyncio.sleep(RAMP_S)
        before, start_s = processor(self.pids()), time.perf_counter()
        await asyncio.sleep(seconds)
        used, end_s = processor(self.pids()) - before, time.perf_counter()
        generator.stop()
        await running
        failed = [call.reply.error for call in generator.calls if call.reply.error]
        if failed:
            raise ContenderError(
                f"{self.contender.title}: {len(failed)} requests failed, the first: {failed[0]}"
            )
        self.agreements += [
            self.compare(call.input, call.reply) for call in generator.calls if kept[call.input]
        ]
        return Window.of([(call.due_s, call.done_s) for call in generator.calls], start_s, end_s, used)

    def memory_bytes(self) -> int:
        return memory_bytes(self.pids())

    async def close(self) -> None:
        await self.sender.close()
