"""What went wrong on the wire, as one of our errors: the same class over gRPC and over HTTP."""

from __future__ import annotations

import asyncio
import re

from tritonclient.utils import InferenceServerException

from tritonzoo.client.endpoint import Endpoint
from tritonzoo.errors import (
    CallError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    ServerFaultError,
    TimedOutError,
    UnavailableError,
)

# gRPC status codes (grpc.StatusCode) and HTTP ones, which tritonclient both gives as text.
ERROR_OF_STATUS: dict[str, type[CallError]] = {
    "StatusCode.INVALID_ARGUMENT": InvalidInputError,
    "400": InvalidInputError,
    "413": InvalidInputError,  # a proxy's limit on the body
    "StatusCode.NOT_FOUND": NotFoundError,
    "404": NotFoundError,
    "StatusCode.PERMISSION_DENIED": ForbiddenError,
    "StatusCode.UNAUTHENTICATED": ForbiddenError,
    "401": ForbiddenError,
    "403": ForbiddenError,
    "StatusCode.UNAVAILABLE": UnavailableError,
    "429": UnavailableError,
    "502": UnavailableError,
    "503": UnavailableError,
    "StatusCode.DEADLINE_EXCEEDED": TimedOutError,
    "504": TimedOutError,
}
# Triton answers a locked gRPC API with UNAVAILABLE, as if a later try could do.
RESTRICTED = re.compile(r"This (protocol|API) is restricted")
# What the gRPC library itself says when it has no connection; all else under UNAVAILABLE is the server's.
NO_CONNECTION = re.compile(
    r"failed to connect|errors resolving|DNS resolution|name resolution|socket closed|connection reset"
    r"|connection refused|broken pipe|recvmsg|GOAWAY|connection attempt timed out|handshak|address list",
    re.IGNORECASE,
)
# Why there is no connection, in a person's words; looked for in this order.
REASONS = (
    (re.compile(r"refused|Connect call failed"), "connection refused"),
    (re.compile(r"resolv|DNS|Name or service|nodename", re.IGNORECASE), "no host of that name"),
    (re.compile(r"Bad status line"), "what listens there does not speak HTTP; is it the gRPC port?"),
    (re.compile(r"Socket closed"), "it closed the connection; is it the HTTP port?"),
    (re.compile(r"certificate|handshak|SSL", re.IGNORECASE), "the TLS handshake failed"),
)
# How tritonclient begins when an error's body is not Triton's JSON.
UNREADABLE = re.compile("an exception occurred in the client while decoding the response")
# What Triton puts before a model's own sentence, one around the other.
PREFIXES = re.compile(
    r"(\[request id: [^\]]*\] |in ensemble '[^']*', |[Ff]ailed to process the request\(s\) for model "
    r"(instance )?'[^']*', message: |TritonModelException: )+"
)
TRACEBACK = re.compile(r"\n\s*At:\n.*", re.DOTALL)


def call_error(error: Exception, endpoint: Endpoint, timeout_s: float) -> CallError:
    """The error to raise for what tritonclient, gRPC, aiohttp or the operating system raised."""
    if isinstance(error, InferenceServerException):
        status, said = str(error.status()), str(error.message())
        if UNREADABLE.match(said):
            body = str(error.debug_details())[:200]
            said = f"HTTP status {status}, no word of Triton's but perhaps a proxy's: {body}"
        if status == "StatusCode.UNAVAILABLE" and NO_CONNECTION.search(said):
            return unreachable(endpoint, said)
        if ERROR_OF_STATUS.get(status) is TimedOutError:
            return timed_out(endpoint, timeout_s)
        if RESTRICTED.search(said):
            return ForbiddenError(f"{sentence(said)}; this server keeps that API locked, ask whoever runs it")
        return ERROR_OF_STATUS.get(status, ServerFaultError)(sentence(said))
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return timed_out(endpoint, timeout_s)
    return unreachable(endpoint, str(error) or type(error).__name__)


def sentence(said: str) -> str:
    """The model's own sentence, without Triton's prefixes and without a traceback."""
    return TRACEBACK.sub("", PREFIXES.sub("", said, count=1) if PREFIXES.match(said) else said).strip()


def timed_out(endpoint: Endpoint, timeout_s: float) -> TimedOutError:
    return TimedOutError(f"{endpoint} gave no answer within {timeout_s:g} s; allow more with timeout_s")


def unreachable(endpoint: Endpoint, said: str) -> UnavailableError:
    """No server there: say where, why, and how to get one."""
    first_line = said.strip().partition("\n")[0]
    reason = next((words for pattern, words in REASONS if pattern.search(said)), first_line)
    return UnavailableError(
        f"no server answers at {endpoint} ({reason}); start one with `tritonzoo serve`, "
        "or give the url of a running one"
    )
