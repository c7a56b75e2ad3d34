"""The same danger with the edge left out: what ends Triton is contained, and it serves again soon.

One replica of its own, so that the others' tests are not disturbed; the requests go straight to its ports.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.docker.answers import SAMPLES, plain
from tests.docker.hostile import FORM, HUGE, Hostile, chunked, infer, raw
from tests.docker.stack import Stack, call, get, inspect

FIRST = {name: (one.tensor, plain(one)) for name, one in reversed(SAMPLES)}  # each pipeline's first sample
RECOVERED_S = 90.0  # on a machine with much other work; docs/threat-model.md has what it takes alone
NUMBERS = "/v2/models/sentence_transformer/infer"


@pytest.fixture(scope="module")
def replica(images: dict[str, str]) -> Iterator[tuple[Stack, str]]:
    """A stack without an edge, and its container."""
    stack = Stack("tritonzoo-bare", env=images)
    try:
        stack("up", "-d", "--no-build", "triton")
        (container,) = stack.containers()
        while not stack.is_healthy(container):
            time.sleep(0.2)
        yield stack, container
    finally:
        stack.down()


def overflow_over_grpc(address: str) -> None:
    """A shape whose product wraps to 0, with no data: what JSON needs a bomb for, gRPC can say in a few bytes."""
    request = service_pb2.ModelInferRequest(model_name="sentence_transformer")
    for name in ("input_ids", "attention_mask"):
        request.inputs.add(name=name, datatype="INT64", shape=[4, 2**62])
        request.raw_input_contents.append(b"")
    with grpc.insecure_channel(f"{address}:8001") as channel, contextlib.suppress(grpc.RpcError):
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=20)


def samples_over_grpc(address: str) -> None:
    """The same into a pipeline that takes samples: 2**62 of four bytes are 0 bytes."""
    request = service_pb2.ModelInferRequest(model_name="ensemble_vad", raw_input_contents=[b""])
    request.inputs.add(name="waveform", datatype="FP32", shape=[2**62])
    with grpc.insecure_channel(f"{address}:8001") as channel, contextlib.suppress(grpc.RpcError):
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=20)


def ids(shape: object) -> bytes:
    """A call of the model that takes numbers, its shape as given and one number for data."""
    one = infer(shape, [1], "INT64")
    return one.replace(b'"text"', b'"input_ids"')


ATTACKS: dict[str, Callable[[str], object]] = {
    "a form of 4 MB": lambda host: Hostile("", (), "", body=b"x" * 4_000_000, headers=FORM).send(8000, host),
    "a form of 4 MB to no path": lambda host: Hostile("", (), "", path="/x", body=b"x" * 4_000_000, headers=FORM).send(8000, host),
    "a form of 60 MB": lambda host: Hostile("", (), "", body=b"x" * 60_000_000, headers=FORM).send(8000, host),
    "200 000 nested lists": lambda host: Hostile("", (), "", body=b"[" * 200_000).send(8000, host),
    "20 million nested lists": lambda host: Hostile("", (), "", body=b"[" * 20_000_000).send(8000, host),
    "600 000 chunks": lambda host: raw(8000, chunked(600_000), host),
    "a shape of 2**40": lambda host: Hostile("", (), "", path=NUMBERS, body=ids([1, HUGE])).send(8000, host),
    "a shape that overflows": lambda host: Hostile("", (), "", path=NUMBERS, body=ids([8, 2**61])).send(8000, host),
    "a shape that overflows over gRPC": overflow_over_grpc,
    "samples that overflow over gRPC": samples_over_grpc,
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_is_contained(replica: tuple[Stack, str], attack: str) -> None:
    stack, container = replica
    while not answers(stack, container):
        time.sleep(0.1)
    address = stack.address(container)
    started = inspect(container)["State"]["StartedAt"]
    ATTACKS[attack](address)
    began = time.monotonic()
    while not answers(stack, container):
        assert time.monotonic() - began < RECOVERED_S, stack("logs", "--tail=30")
    took_s = time.monotonic() - began
    state = inspect(container)["State"]
    metrics = get(8003, "/metrics", stack.address(container))[1]
    revived = sum(
        float(line.split()[1]) for line in metrics.splitlines() if line.startswith("tritonzoo_model_restarts")
    )
    outcome = "lives" if state["StartedAt"] == started else "ended, started again by Docker"
    print(f"\n{attack}: {outcome}; models brought back so far {revived:.0f}; answers after {took_s:.1f} s")
    time.sleep(
        max(0.0, 11 - took_s) if outcome != "lives" else 0
    )  # Docker waits longer after a life under 10 s


def answers(stack: Stack, container: str) -> bool:
    """Whether every pipeline that answers once does so, given its first sample."""
    try:
        host = stack.address(container)
        for pipeline, (tensor, value) in FIRST.items():
            call(8000, pipeline, {tensor: value}, host=host, timeout_s=10)
    except (AssertionError, OSError, ValueError):
        time.sleep(0.1)
        return False
    return True
