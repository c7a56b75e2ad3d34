"""The HTTP transport against a server of a few lines, for what no real one does on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from tritonzoo import AsyncClient
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.transport import SequencePlace
from tritonzoo.client.triton import TritonTransport
from tritonzoo.errors import ServerFaultError, UnavailableError

CONFIG = {
    "name": "double",
    "max_batch_size": 0,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
}
ANSWER = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [4.0]}]}


class Server:
    """Answers `per_connection` requests on each connection, then closes it at the next one, unanswered."""

    def __init__(self, per_connection: int) -> None:
        self.per_connection = per_connection
        self.connections = 0
        self.headers: list[str] = []
        self.status, self.answer = "200 OK", json.dumps(ANSWER)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        served = 0
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            if served >= self.per_connection:
                break
            served += 1
            self.headers.append(head.lower())
            for line in head.lower().splitlines():
                if line.startswith("content-length:"):
                    await reader.readexactly(int(line.partition(":")[2]))
            status, body = (
                ("200 OK", json.dumps(CONFIG)) if head.startswith("GET") else (self.status, self.answer)
            )
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server(per_connection=2)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


async def test_a_kept_connection_that_the_server_closed_is_no_error(server):
    async with AsyncClient(f"http://127.0.0.1:{server.port}") as client:
        for _ in range(4):
            assert (await client.infer("double", {"x": [2.0]}))["y"].tolist() == [4.0]
    assert server.connections == 3  # a configuration and four requests, two to a connection


async def test_a_server_that_closes_every_connection_is_unavailable(server):
    async with AsyncClient(f"http://127.0.0.1:{server.port}") as client:
        await client.describe("double")
        server.per_connection = 0
        with pytest.raises(UnavailableError, match="no server answers at http://"):
            await client.infer("double", {"x": [2.0]})


async def test_headers_travel_with_every_request(server):
    async with AsyncClient(f"http://127.0.0.1:{server.port}", headers={"X-Token": "abc"}) as client:
        await client.infer("double", {"x": [2.0]})
    assert all("x-token: abc" in head for head in server.headers)
    assert len(server.headers) == 2


async def test_answers_are_asked_for_as_they_are_and_not_compressed(server):
    async with AsyncClient(f"http://127.0.0.1:{server.port}") as client:
        await client.infer("double", {"x": [2.0]})
    assert all("accept-encoding: identity" in head and "gzip" not in head for head in server.headers)


async def test_the_requests_of_a_sequence_name_it_to_balancers(server):
    transport = TritonTransport(Endpoint.parse(f"http://127.0.0.1:{server.port}"), timeout_s=5)
    samples = {"x": np.zeros(1, np.float32)}
    await transport.infer("double", samples, {}, SequencePlace("a1", starts=True, ends=False))
    await transport.infer("double", samples, {}, SequencePlace("a1", starts=False, ends=True))
    await transport.infer("double", samples, {})
    await transport.close()
    assert ["sequence-id: a1" in head for head in server.headers] == [True, True, False]


@pytest.mark.parametrize(
    ("status", "answer", "error", "told"),
    [
        ("503 Service Unavailable", "<html>try later</html>", UnavailableError, "503, no word of Triton's"),
        (
            "500 Internal Server Error",
            '{"error": "in ensemble \'e\', it broke"}',
            ServerFaultError,
            "it broke",
        ),
    ],
)
async def test_what_a_server_or_a_proxy_says_keeps_its_class(server, status, answer, error, told):
    server.status, server.answer = status, answer
    async with AsyncClient(f"http://127.0.0.1:{server.port}") as client:
        with pytest.raises(error) as raised:
            await client.infer("double", {"x": [2.0]})
    assert told in str(raised.value)
    assert "try later" in str(raised.value) or "html" not in answer
