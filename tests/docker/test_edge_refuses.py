"""Hostile requests through the edge: each is refused with a sentence, the replicas live, the next good one is answered."""

from __future__ import annotations

import json
import socket
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.docker.hostile import HOSTILE, NEVER_ENDS, RAW, Hostile, raw
from tests.docker.stack import Stack, call, get, inspect

TEXT = {"text": "well done"}


@pytest.fixture(autouse=True)
def nothing_died(stack: Stack) -> object:
    """After each test: the same replicas run, none of their processes was brought back, a good request is answered."""
    before = [life(stack, one) for one in stack.containers()]
    yield
    assert [life(stack, one) for one in stack.containers()] == before
    assert call(stack.http, "ensemble_sentiment", TEXT)["label"] == "positive"


def life(stack: Stack, container: str) -> tuple[str, str]:
    metrics = get(8003, "/metrics", stack.address(container))[1]
    restarts = [line for line in metrics.splitlines() if line.startswith("tritonzoo_model_restarts_total")]
    return inspect(container)["State"]["StartedAt"], "\n".join(restarts)


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_is_refused_in_a_sentence(stack: Stack, hostile: Hostile) -> None:
    status, said = hostile.send(stack.http)
    assert status in hostile.status, (status, said[:300])
    if hostile.says and hostile.method != "TRACE":
        assert hostile.says in json.loads(said)["error"]


@pytest.mark.parametrize(
    ("request_bytes", "status", "says"), [case[1:] for case in RAW], ids=[case[0] for case in RAW]
)
def test_a_malformed_request_is_refused(stack: Stack, request_bytes: bytes, status: str, says: str) -> None:
    said = raw(stack.http, request_bytes, closes=request_bytes != NEVER_ENDS)
    assert said.split(" ")[1] == status, said[:300]
    assert says in said


def test_a_client_that_closes_its_sending_side_is_answered(stack: Stack) -> None:
    body = json.dumps(TEXT).encode()
    head = "POST /v2/models/ensemble_sentiment/generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
    for _ in range(20):
        assert " 200 " in raw(stack.http, f"{head}{len(body)}\r\n\r\n".encode() + body)


def test_a_client_that_sends_nothing_more_is_let_go(stack: Stack) -> None:
    head = b"POST /v2/models/ensemble_sentiment/infer HTTP/1.1\r\nHost: x\r\nContent-Le"
    with socket.create_connection(("127.0.0.1", stack.http), timeout=20) as connection:
        connection.sendall(head)
        began = time.monotonic()
        answer = connection.recv(65536)
    assert b" 408 " in answer and time.monotonic() - began < 15


@pytest.mark.parametrize(
    "method", ["load_model", "unload_model", "get_model_repository_index", "get_log_settings", "get_trace_settings",
               "get_system_shared_memory_status"],
)  # fmt: skip
def test_admin_methods_of_grpc_are_not_served(stack: Stack, method: str) -> None:
    arguments = ("sentiment",) if method.endswith("load_model") else ()
    refused = pytest.raises(InferenceServerException, match="not served here")
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client, refused:
        getattr(client, method)(*arguments)


def test_grpc_messages_that_are_too_long_or_compressed_are_refused(stack: Stack) -> None:
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:
        text = grpcclient.InferInput("text", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"good"]], dtype=object))
        with pytest.raises(InferenceServerException, match="compressed messages are not taken"):
            client.infer("ensemble_sentiment", [text], compression_algorithm="gzip")
        text.set_data_from_numpy(np.array([[b"x" * 70_000_000]], dtype=object))
        with pytest.raises(InferenceServerException, match="413"):
            client.infer("ensemble_sentiment", [text])


# Model, its input, datatype and shape. Triton would multiply the extents in 64 bits.
SHAPES = [
    (
        "sentence_transformer",
        "input_ids",
        "INT64",
        [4, 2**62],
    ),  # 0 elements, so it looks like an empty tensor
    ("sentence_transformer", "input_ids", "INT64", [8, 2**61]),
    ("ensemble_vad", "waveform", "FP32", [2**62]),  # 0 bytes
    ("vad_stream", "waveform", "FP32", [2**62]),
    ("ensemble_sentiment", "text", "BYTES", [1, 2**40]),
    ("ensemble_sentiment", "text", "BYTES", [2**32, 2**32]),
    ("ensemble_sentiment", "text", "BYTES", [0, 2**62]),
    ("ensemble_sentiment", "text", "BYTES", [1, -1]),
]


@pytest.mark.parametrize(("model", "name", "datatype", "shape"), SHAPES, ids=str)
def test_grpc_shapes_that_end_a_process_are_refused_in_a_sentence(
    stack: Stack, model: str, name: str, datatype: str, shape: list[int]
) -> None:
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[b"", b""])
    request.inputs.add(name="another", datatype=datatype, shape=[1, 1])  # the bad one need not come first
    request.inputs.add(name=name, datatype=datatype, shape=shape)
    with grpc.insecure_channel(f"localhost:{stack.grpc}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError, match="a shape") as unary:
            stub.ModelInfer(request, timeout=20)
        assert unary.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        # A stream that is still open can only be told the status of HTTP.
        with pytest.raises(grpc.RpcError, match=r"a shape|status: 400"):
            list(stub.ModelStreamInfer(iter([request]), timeout=20))


def test_grpc_messages_that_are_no_protobuf_are_refused(stack: Stack) -> None:
    with grpc.insecure_channel(f"localhost:{stack.grpc}") as channel:
        call_bytes = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for message in (bytes(range(256)), b"\x0b\x0c", b"\x2a\xff\xff\xff\xff\x0f", b"\x2a\x02\x1a\x05"):
            with pytest.raises(grpc.RpcError, match="not a valid protobuf message"):
                call_bytes(message, timeout=20)


def test_large_grpc_messages_pass_in_pieces_and_small_mistakes_reach_triton(stack: Stack) -> None:
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:
        minutes = np.zeros(10 * 60 * 16_000, np.float32)  # 38 MB
        samples = grpcclient.InferInput("waveform", [minutes.size], "FP32")
        samples.set_data_from_numpy(minutes)
        assert (
            client.infer("ensemble_vad", [samples], client_timeout=120).as_numpy("segment_start_s").size == 0
        )
        text = grpcclient.InferInput("text", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"good"]], dtype=object))
        text.set_shape([1, 300])
        with pytest.raises(InferenceServerException, match=r"300"):
            client.infer("ensemble_sentiment", [text])


def test_what_was_refused_is_counted(stack: Stack) -> None:
    edge = stack.address(stack.containers("edge")[0])

    def refused() -> dict[str, float]:
        lines = [
            line
            for line in get(8404, "/metrics", edge)[1].splitlines()
            if line.startswith("haproxy_frontend")
        ]
        wanted = ('requests_denied_total{proxy="http"}', 'request_errors_total{proxy="http"}')
        return {name: float(line.split()[-1]) for name in wanted for line in lines if name in line}

    before = refused()
    HOSTILE[0].send(stack.http)  # by a rule
    HOSTILE[4].send(stack.http)  # by the guard
    now = refused()
    assert {name: now[name] - before[name] for name in now} == dict.fromkeys(now, 1), (before, now)
