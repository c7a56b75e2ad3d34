"""The load generator against a server whose answers are known: how many at once, when, and from when they count."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.bench.generator import Generator
from tritonzoo.bench.options import Load
from tritonzoo.client.transport import Array, ParameterValue


class OneAtATime:
    """Answers one request after another, each after `work_s`; every `fails`-th fails."""

    def __init__(self, work_s: float, fails: int = 0) -> None:
        self.work_s, self.fails = work_s, fails
        self.bodies: list[bytes] = []
        self.under_way = self.most_under_way = 0
        self._free = asyncio.Lock()

    def make(
        self, pipeline: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> Made:
        raise AssertionError("requests are made before")

    async def send(self, made: Made) -> Reply:
        self.bodies.append(made.body)
        number = len(self.bodies)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        async with self._free:
            await asyncio.sleep(self.work_s)
        self.under_way -= 1
        return Reply(error="no") if self.fails and number % self.fails == 0 else Reply(made.body)

    def read(self, reply: Reply) -> dict[str, Array]:
        raise AssertionError("no answer is looked at")

    async def close(self) -> None: ...


REQUESTS = [Made(bytes([letter]), {}) for letter in b"abcd"]


async def loaded(server: OneAtATime, load: Load, seconds: float) -> Generator:
    generator = Generator(server, REQUESTS, [True, False, False, False], seed=1)
    running = asyncio.create_task(generator.run(load, "constant"))
    await asyncio.sleep(seconds)
    generator.stop()
    await running
    return generator


async def test_a_closed_loop_keeps_as_many_requests_under_way_as_there_are_clients() -> None:
    server = OneAtATime(0.001)

    generator = await loaded(server, Load("concurrency", 3), 0.3)

    assert server.most_under_way == 3
    assert len(generator.calls) == len(server.bodies)  # what was under way at the end is awaited


async def test_an_open_loop_sends_on_time_although_nothing_is_answered() -> None:
    server = OneAtATime(0.1)

    generator = await loaded(server, Load("rate", 100), 0.5)

    assert server.most_under_way > 10
    assert len(generator.calls) == len(server.bodies)


async def test_latency_counts_from_the_time_at_which_a_request_was_due() -> None:
    """Coordinated omission: the tenth request waits for nine others, whoever sends it."""
    server = OneAtATime(0.1)

    generator = await loaded(server, Load("rate", 20), 0.5)

    calls = sorted(generator.calls, key=lambda call: call.due_s)
    gaps = [later.due_s - earlier.due_s for earlier, later in itertools.pairwise(calls)]
    assert all(abs(gap - 0.05) < 1e-6 for gap in gaps)  # as scheduled, not as sent
    last = len(calls) - 1
    assert calls[-1].latency_s >= 0.1 * (last + 1) - 0.05 * last - 0.01
    assert calls[-1].latency_s > calls[0].latency_s


async def test_every_input_is_sent_as_often_as_any_other_and_never_in_a_fixed_order() -> None:
    server = OneAtATime(0.0)

    await loaded(server, Load("concurrency", 1), 0.3)

    whole = len(server.bodies) // 4 * 4
    rounds = [tuple(server.bodies[start : start + 4]) for start in range(0, whole, 4)]
    assert len(rounds) > 5
    assert all(sorted(one) == [b"a", b"b", b"c", b"d"] for one in rounds)
    assert len(set(rounds)) > 1


async def test_errors_are_kept_and_answers_only_where_they_are_looked_at() -> None:
    server = OneAtATime(0.0, fails=5)

    generator = await loaded(server, Load("concurrency", 2), 0.3)

    errors = [call for call in generator.calls if call.reply.error]
    assert 0 < len(errors) < len(generator.calls)
    kept = {call.input for call in generator.calls if call.reply.body}
    assert kept == {0}
