"""Ours: a pipeline of the tree, served by the embedded Triton, over gRPC and HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

from bench.peers.contender import Contender, Served
from bench.peers.setup import Setup

from tritonzoo.bench.calls import GrpcCaller, HttpCaller, Reply
from tritonzoo.bench.environment import environment
from tritonzoo.bench.run import configs_of
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.transport import Array
from tritonzoo.client.triton import TritonTransport
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.serve import loading

TIMEOUT_S = 120
PROTOCOLS: tuple[Literal["grpc", "http"], ...] = ("grpc", "http")


@contextmanager
def triton(
    setup: Setup,
    pipeline: str,
    precision: str,
    inputs: Sequence[Mapping[str, Array]],
    compare: Callable[[int, Mapping[str, Array]], float],
) -> Iterator[list[Served]]:
    """Serve a pipeline at a precision; the same server twice, by its two protocols."""
    options = ServeOptions(setup.root, Ports.free(), (pipeline,), f"cpu-{precision}")
    server = EmbeddedTriton(options)
    with loading(Repository(setup.root), (pipeline,)) as on_progress:
        server.start(on_progress)
    with server:
        yield [_served(setup, server, pipeline, protocol, inputs, compare) for protocol in PROTOCOLS]


def _served(
    setup: Setup,
    server: EmbeddedTriton,
    pipeline: str,
    protocol: Literal["grpc", "http"],
    inputs: Sequence[Mapping[str, Array]],
    compare: Callable[[int, Mapping[str, Array]], float],
) -> Served:
    address = server.grpc_url if protocol == "grpc" else server.http_url
    endpoint = Endpoint.parse(address, protocol)
    caller = (GrpcCaller if protocol == "grpc" else HttpCaller)(endpoint, TIMEOUT_S)

    def compared(index: int, reply: Reply) -> float:
        return compare(index, caller.read(reply))

    wire: Literal["gRPC", "HTTP"] = "gRPC" if protocol == "grpc" else "HTTP"
    return Served(
        Contender(f"tritonzoo-{protocol}", f"tritonzoo, {wire}", "ours", wire),
        caller,
        [caller.make(pipeline, one, {}) for one in inputs],
        lambda: server.pids,
        compared,
        server.grpc_url,
    )


async def surroundings(setup: Setup, server_url: str, pipeline: str, precision: str) -> dict[str, Any]:
    """The machine, versions and artifacts, as `tritonzoo bench` writes them beside its figures."""
    transport = TritonTransport(Endpoint.parse(server_url, "grpc"), timeout_s=TIMEOUT_S)
    try:
        configs = await configs_of(transport, pipeline)
        return asdict(environment(await transport.version(), f"cpu-{precision}", configs, setup.root))
    finally:
        await transport.close()
