"""One class of error for one kind of mistake, whichever protocol brought it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from tritonclient.utils import InferenceServerException

from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.failures import call_error, sentence
from tritonzoo.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    ServerFaultError,
    TimedOutError,
    UnavailableError,
)

GRPC = Endpoint.parse("grpc://zoo:8001")
HTTP = Endpoint.parse("http://zoo:8000")


@pytest.mark.parametrize(
    ("code", "status", "said", "expected"),
    [
        ("INVALID_ARGUMENT", "400", "text is empty; send at least one character", InvalidInputError),
        ("NOT_FOUND", "404", "Request for unknown model: 'x' is not found", NotFoundError),
        ("UNAVAILABLE", "503", "Exceeds maximum queue size", UnavailableError),
        ("INTERNAL", "500", "Stub process 'm_0' is not healthy.", ServerFaultError),
        ("UNIMPLEMENTED", "501", "ModelInfer RPC doesn't support decoupled models", ServerFaultError),
    ],
)
def test_both_protocols_give_the_same_class_with_the_servers_own_sentence(code, status, said, expected):
    over_grpc = call_error(InferenceServerException(said, f"StatusCode.{code}"), GRPC, 60)
    over_http = call_error(InferenceServerException(said, status), HTTP, 60)
    assert type(over_grpc) is type(over_http) is expected
    assert str(over_grpc) == str(over_http) == said


def test_a_locked_api_is_forbidden_though_grpc_calls_it_unavailable():
    said = "This protocol is restricted, expecting header 'triton-grpc-protocol-admin-key'"
    assert isinstance(
        call_error(InferenceServerException(said, "StatusCode.UNAVAILABLE"), GRPC, 60), ForbiddenError
    )
    said = "This API is restricted, expecting header 'admin-key'"
    assert isinstance(call_error(InferenceServerException(said, "403"), HTTP, 60), ForbiddenError)


@pytest.mark.parametrize(
    ("failure", "endpoint", "reason"),
    [
        (
            InferenceServerException(
                "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect "
                "to remote host: Connection refused",
                "StatusCode.UNAVAILABLE",
            ),
            GRPC,
            "connection refused",
        ),
        (
            InferenceServerException(
                "errors resolving zoo:8001: Domain name not found", "StatusCode.UNAVAILABLE"
            ),
            GRPC,
            "no host of that name",
        ),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), HTTP, "connection refused"),
        (aiohttp.ServerDisconnectedError(), HTTP, "Server disconnected"),
        (
            InferenceServerException(
                "failed to connect; last error: Socket closed", "StatusCode.UNAVAILABLE"
            ),
            GRPC,
            "is it the HTTP port?",
        ),
        (aiohttp.ClientPayloadError("Bad status line: b'x'"), HTTP, "is it the gRPC port?"),
    ],
)
def test_no_connection_says_where_why_and_how_to_start_a_server(failure, endpoint, reason):
    error = call_error(failure, endpoint, 60)
    assert isinstance(error, UnavailableError)
    assert str(endpoint) in str(error)
    assert reason in str(error)
    assert "`tritonzoo serve`" in str(error)


@pytest.mark.parametrize(
    "failure",
    [
        InferenceServerException("Deadline Exceeded", "StatusCode.DEADLINE_EXCEEDED"),
        InferenceServerException("upstream timed out", "504"),
        asyncio.TimeoutError(),
        aiohttp.ServerTimeoutError("total"),
    ],
)
def test_a_time_out_names_the_time_and_the_option_that_allows_more(failure):
    error = call_error(failure, GRPC, 0.3)
    assert isinstance(error, TimedOutError)
    assert isinstance(error, TimeoutError)
    assert "within 0.3 s" in str(error)
    assert "timeout_s" in str(error)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("in ensemble 'e', text is empty", "text is empty"),
        ("in ensemble 'outer', in ensemble 'inner', text is empty", "text is empty"),
        ("[request id: <id_unknown>] expected 1 inputs but got 0", "expected 1 inputs but got 0"),
        (
            "in ensemble 'e', Failed to process the request(s) for model 'm_0', message: RuntimeError: boom\n\n"
            "At:\n  /srv/models/m/1/model.py(11): execute\n",
            "RuntimeError: boom",
        ),
        (
            "the words in ensemble 'e', stay inside a sentence",
            "the words in ensemble 'e', stay inside a sentence",
        ),
    ],
)
def test_tritons_prefixes_and_tracebacks_go_and_the_sentence_stays(said, kept):
    assert sentence(said) == kept
