"""Clients of one pipeline: they ask, now and then wrongly, now and then they leave; they look at answers."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tritonzoo.client.transport import Array, SequencePlace, Transport
from tritonzoo.errors import CallError, InvalidInputError, TritonZooError
from tritonzoo.soak.options import SoakOptions
from tritonzoo.soak.requests import Asked, Kind, Pool

Answer = list[dict[str, Array]]

PATIENCE_S = (0.0, 0.3)  # of one who leaves
PAUSE_AFTER_ERROR_S = 0.5
PROGRESS = frozenset({"read_s"})  # how far a recording was read when an answer left: the machine's pace
ATOL = 1e-3  # of probabilities, times, numbers of unit vectors: other neighbours in a batch, other rounding
BURSTS = 2
MOST_ERRORS = 20  # that are kept in words


@dataclass(frozen=True)
class Answered:
    """One right answer; times are of `time.perf_counter`."""

    asked: str
    start_s: float
    took_s: float


@dataclass
class Tally:
    """What became of the requests to one pipeline."""

    answered: list[Answered] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # refused, left, errors
    errors: list[str] = field(default_factory=list)

    def fail(self, words: str) -> None:
        """Count an error, and keep the first ones."""
        self.counts["errors"] += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(words)


class Clients:
    """All clients of one pipeline, over the connections of `transports`."""

    def __init__(
        self, pipeline: str, kind: Kind, pool: Pool, transports: list[Transport], options: SoakOptions
    ) -> None:
        self.tally = Tally()
        self._pipeline, self._kind, self._pool = pipeline, kind, pool
        self._transports, self._options = transports, options
        self._expected: dict[str, Answer] = {}
        self._running = False

    async def learn(self) -> None:
        """Send each request once: the answers to the good ones are those that are expected from now on.

        Raises CallError where one is not answered, TritonZooError where a wrong one is.
        """
        for asked in self._pool.good:
            self._expected[asked.name] = await self._ask(self._transports[0], asked)
        for asked in self._pool.bad:
            for transport in self._transports:
                try:
                    await self._ask(transport, asked)
                except InvalidInputError:
                    continue
                raise TritonZooError(f"{self._pipeline} answered {asked.name}, which should be refused")

    async def burst(self) -> None:
        """The largest request, from all clients at once: shared memory grows to what that takes.

        Raises CallError where one is not answered.
        """
        largest = max(self._pool.good, key=lambda asked: asked.bytes)
        for _ in range(BURSTS):
            await asyncio.gather(
                *(
                    self._ask(self._transports[number % len(self._transports)], largest)
                    for number in range(self._options.clients)
                )
            )

    async def run(self) -> None:
        """Load until `stop`, then await what is under way."""
        self._running = True
        draws = [
            random.Random(f"{self._options.seed} {self._pipeline} {one}")
            for one in range(self._options.clients)
        ]
        await asyncio.gather(*(self._client(number, draw) for number, draw in enumerate(draws)))

    def stop(self) -> None:
        """Ask for nothing more."""
        self._running = False

    async def _client(self, number: int, draw: random.Random) -> None:
        transport = self._transports[number % len(self._transports)]
        while self._running:
            chance = draw.random()
            try:
                if chance < self._options.bad:
                    await self._wrong(transport, draw.choice(self._pool.bad))
                elif chance < self._options.bad + self._options.leaving:
                    await self._leave(transport, draw.choice(self._pool.good), draw.uniform(*PATIENCE_S))
                else:
                    await self._right(transport, draw.choice(self._pool.good))
            except CallError as error:
                self.tally.fail(f"{type(error).__name__}: {error}")
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _right(self, transport: Transport, asked: Asked) -> None:
        start_s = time.perf_counter()
        answer = await self._ask(transport, asked)
        took_s = time.perf_counter() - start_s
        difference = differs(self._expected[asked.name], answer)
        if difference:
            self.tally.fail(f"{asked.name}: not the answer of the beginning: {difference}")
        else:
            self.tally.answered.append(Answered(asked.name, start_s, took_s))

    async def _wrong(self, transport: Transport, asked: Asked) -> None:
        try:
            await self._ask(transport, asked)
        except InvalidInputError:
            self.tally.counts["refused"] += 1
        else:
            self.tally.fail(f"{asked.name}: answered, although it is wrong")

    async def _leave(self, transport: Transport, asked: Asked, patience_s: float) -> None:
        """Be gone after a while, or after the first answer of a stream."""
        asking = asyncio.create_task(self._ask(transport, asked, leaves=True))
        done, _ = await asyncio.wait([asking], timeout=patience_s)
        if not done:
            asking.cancel()
        try:
            await asking
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise  # it is this client that is to end
        self.tally.counts["left"] += 1

    async def _ask(self, transport: Transport, asked: Asked, *, leaves: bool = False) -> Answer:
        if self._kind == "once":
            return [await transport.infer(self._pipeline, asked.inputs, {})]
        if self._kind == "streamed":
            answers = transport.stream(self._pipeline, asked.inputs, {})
            found: Answer = []
            try:
                async for answer in answers:
                    found.append(answer)
                    if leaves:
                        break
            finally:
                await answers.aclose()
            return found
        if not asked.chunks:  # a wrong one
            return [await transport.infer(self._pipeline, asked.inputs, {}, _place("", starts=False))]
        return await self._live(transport, asked, len(asked.chunks) // 2 if leaves else None)

    async def _live(self, transport: Transport, asked: Asked, ends_after: int | None) -> Answer:
        """Chunk after chunk; one who leaves is silent from the middle on, and never says that it was all."""
        stream, found = uuid.uuid4().hex, []
        last = len(asked.chunks) - 1
        for index, samples in enumerate(asked.chunks[:ends_after]):
            place = SequencePlace(stream, starts=index == 0, ends=index == last)
            found.append(await transport.infer(self._pipeline, {"waveform": samples}, {}, place))
        return found


def differs(expected: Answer, answer: Answer) -> str:
    """Where an answer is another one; empty where it is not."""
    if len(expected) != len(answer):
        return f"{len(answer)} answers and not {len(expected)}"
    for one, other in zip(expected, answer, strict=True):
        found = _differs(one, other)
        if found:
            return found
    return ""


def _differs(expected: Mapping[str, Array], answer: Mapping[str, Array]) -> str:
    for name, known in expected.items():
        if name in PROGRESS:
            continue
        given = answer.get(name)
        if given is None or given.shape != known.shape:
            return f"{name} has shape {None if given is None else given.shape} and not {known.shape}"
        if known.dtype.kind == "f":
            if not np.allclose(known, given, rtol=0, atol=ATOL, equal_nan=True):
                return f"{name} is off by {np.nanmax(np.abs(known - given)):.2g}"
        elif not np.array_equal(known, given):
            return f"{name} is {given.reshape(-1)[:3]} and not {known.reshape(-1)[:3]}"
    return ""


def _place(stream: str, *, starts: bool) -> SequencePlace:
    return SequencePlace(stream or uuid.uuid4().hex, starts=starts, ends=False)
