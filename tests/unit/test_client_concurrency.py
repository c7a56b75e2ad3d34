"""Calls under way at once: from one call, from threads, from coroutines, and around forks and closing."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.client_pipelines import fake
from tritonzoo import AsyncClient, Client
from tritonzoo.client import FakeTransport, TextTruncated
from tritonzoo.errors import InvalidInputError, TimedOutError, UnavailableError


class SlowTransport(FakeTransport):
    """Counts the requests that are under way at once."""

    under_way = 0
    most = 0

    async def infer(self, name, inputs, parameters):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1
        return await super().infer(name, inputs, parameters)


def test_batches_are_under_way_together_up_to_the_bound():
    transport = SlowTransport(fake().pipelines)
    Client(transport=transport, in_flight=3).embed(["a"] * 40)
    assert transport.most == 3


def test_what_is_under_way_is_given_up_when_a_text_is_refused():
    transport = SlowTransport(fake().pipelines)
    with pytest.raises(InvalidInputError):
        Client(transport=transport, in_flight=2).embed([""] + ["a"] * 400)
    assert len(transport.requests) < 10


def test_a_client_is_shared_by_threads():
    transport = SlowTransport(fake().pipelines)
    client = Client(transport=transport)
    with ThreadPoolExecutor(16) as pool:
        vectors = list(pool.map(lambda i: client.embed("x" * (i % 19 + 1))[0, 0], range(100)))
    assert vectors == [i % 19 + 1 for i in range(100)]
    assert transport.most > 1


async def test_the_async_client_answers_many_calls_at_once():
    transport = SlowTransport(fake().pipelines)
    async with AsyncClient(transport=transport) as client:
        answers = await asyncio.gather(*(client.sentiment("good" * (i % 2) + "x") for i in range(50)))
        assert [answer.label for answer in answers] == ["negative", "positive"] * 25
        assert transport.most == 50
        assert (await client.handwriting([b"PNGa"]))[0].label == "a"
        assert (await client.infer("double", {"x": [1.0]}))["y"].tolist() == [2.0]
        assert "ensemble_embedding" in await client.pipelines()
        assert (await client.describe("double")).max_batch_size == 0
        with pytest.warns(TextTruncated) as caught:
            await client.embed("x" * 30)
        assert caught[0].filename == __file__


class WakingTransport(FakeTransport):
    """Not there, then not ready, then ready."""

    asked = 0

    async def ready(self):
        self.asked += 1
        if self.asked == 1:
            raise UnavailableError("no server answers")
        return self.asked > 2


def test_waiting_for_a_server_ends_when_it_is_ready():
    transport = WakingTransport({})
    Client(transport=transport).wait_ready(5)
    assert transport.asked == 3


def test_waiting_for_a_server_that_never_comes_says_why_it_did_not():
    transport = WakingTransport({})
    transport.asked = -1000
    with pytest.raises(TimedOutError, match=r"not ready within 0\.2 s: it says that it is not ready"):
        Client(transport=transport).wait_ready(0.2)


def test_a_client_made_before_a_fork_says_so_in_the_child_and_a_new_one_works():
    client = Client(transport=fake())
    client.embed("a")
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # 3.12 warns of forking with threads, as meant here
        child = os.fork()
    if child == 0:
        try:
            client.embed("a")
        except RuntimeError as error:
            told = "before the process forked" in str(error)
            works = Client(transport=fake()).embed("a").shape == (1, 2)
            os.write(writer, b"ok" if told and works else b"no")
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 2) == b"ok"
    os.close(reader)


def test_a_client_that_is_let_go_of_closes_its_connections():
    closed = threading.Event()

    class Closing(FakeTransport):
        async def close(self):
            closed.set()

    client = Client(transport=Closing({}))
    del client
    assert closed.wait(2)


def test_options_that_allow_nothing_are_refused():
    with pytest.raises(ValueError, match="timeout_s is 0"):
        Client(timeout_s=0)
    with pytest.raises(ValueError, match="in_flight is 0"):
        Client(in_flight=0)


def test_a_closed_client_says_so():
    client = Client("127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="was closed; make a new one"):
        client.pipelines()


def test_an_async_client_stays_with_the_event_loop_it_connected_in():
    client = AsyncClient("127.0.0.1:1")
    with pytest.raises(
        UnavailableError, match=r"no server answers at grpc://127\.0\.0\.1:1 \(connection refused\)"
    ):
        asyncio.run(client.pipelines())
    with pytest.raises(RuntimeError, match="connected in another event loop"):
        asyncio.run(client.pipelines())


@pytest.mark.parametrize("url", ["127.0.0.1:1", "http://127.0.0.1:1"])
def test_no_server_is_told_alike_over_both_protocols(url):
    with (
        Client(url) as client,
        pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 \(connection refused\)"),
    ):
        client.embed("a")
