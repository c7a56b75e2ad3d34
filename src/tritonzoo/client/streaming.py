"""Streams of answers from a Triton server: a gRPC stream, and server-sent events over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from importlib import import_module
from typing import Any

import aiohttp
import numpy as np
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tritonzoo.client.description import Pipeline
from tritonzoo.client.failures import sentence
from tritonzoo.client.transport import Array, ParameterValue

# How errors begin whose kind is not INVALID_ARGUMENT, our runtime's and Triton's. A stream tells errors as
# text only: over HTTP always, and over gRPC unless the header triton_grpc_error asks for their kind. That
# header is never sent: Triton 2.51 ends its whole process at one in some hundreds of errors told that way.
_KINDS = (
    (re.compile(r"Request for unknown model"), "StatusCode.NOT_FOUND"),
    (re.compile(r"GRPC server is shutting down|Server is stopping"), "StatusCode.UNAVAILABLE"),
    (
        re.compile(
            r"internal error in |the caller cancelled |Model |Stub process |Failed |Exceeds |Request timeout "
        ),
        "StatusCode.INTERNAL",
    ),
)


async def grpc_answers(
    client: Any,
    name: str,
    tensors: Sequence[Any],
    parameters: Mapping[str, ParameterValue],
    headers: Mapping[str, str],
    timeout_s: float,
) -> AsyncGenerator[dict[str, Array]]:
    """Make one request of a stream of its own; closing the iterator cancels it.

    An error is raised when the stream has ended after it, which Triton does by itself and at once: to cancel
    in that moment can make Triton 2.51 stop answering.

    client: a tritonclient.grpc.aio.InferenceServerClient. `timeout_s` is the longest wait for one answer.
    Raises InferenceServerException, also for what gRPC itself raises, and asyncio.TimeoutError.
    """
    grpc: Any = import_module("grpc")  # here, because clients that speak HTTP need not wait for it
    refusal: InferenceServerException | None = None

    async def request() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": name, "inputs": list(tensors), "parameters": dict(parameters) or None}

    stream = client.stream_infer(request(), headers=dict(headers))
    try:
        while True:
            try:
                result, error = await asyncio.wait_for(anext(stream), timeout_s)
            except StopAsyncIteration:
                break
            except grpc.aio.AioRpcError as failure:
                raise InferenceServerException(
                    msg=failure.details() or "", status=str(failure.code())
                ) from None
            if error is None:
                yield {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}
            else:
                said = str(error.message())
                refusal = InferenceServerException(msg=said, status=_status_of(said))
        if refusal is not None:
            raise refusal
    finally:
        stream.cancel()


async def http_answers(
    url: str,
    pipeline: Pipeline,
    inputs: Mapping[str, Array],
    parameters: Mapping[str, ParameterValue],
    headers: Mapping[str, str],
    timeout_s: float,
    tls: ssl.SSLContext | None,
) -> AsyncGenerator[dict[str, Array]]:
    """Ask Triton's generate_stream endpoint; closing the iterator closes the connection, which cancels.

    url: of the server, with scheme. Raises InferenceServerException and what aiohttp raises.
    """
    body = {**parameters, **{name: _json_value(array) for name, array in inputs.items()}}
    limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=limits, headers=headers) as session,
        session.post(
            f"{url}/v2/models/{pipeline.name}/generate_stream", json=body, ssl=tls if tls else True
        ) as response,
    ):
        if response.status != HTTPStatus.OK:
            raise InferenceServerException(msg=_error(await response.text()), status=str(response.status))
        async for event in _events(response.content):
            if "error" in event:
                said = str(event["error"])
                raise InferenceServerException(msg=said, status=_status_of(said))
            yield {tensor.name: _array(event[tensor.name], tensor.datatype) for tensor in pipeline.outputs}


def _status_of(said: str) -> str:
    """The status that an error in a stream would have had."""
    found = (status for begins, status in _KINDS if begins.match(sentence(said)))
    return next(found, "StatusCode.INVALID_ARGUMENT")


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The JSON object of each server-sent event; an event is ended by a blank line."""
    held = b""
    async for piece in content.iter_any():
        *whole, held = (held + piece).split(b"\n\n")
        for event in whole:
            yield json.loads(event.removeprefix(b"data:"))


def _error(body: str) -> str:
    """The sentence of an error, which may come as an event too."""
    try:
        return str(json.loads(body.removeprefix("data:"))["error"])
    except (ValueError, KeyError, TypeError):
        return f"no word of Triton's but perhaps a proxy's: {body[:200]}"


def _json_value(array: Array) -> Any:
    """An input as JSON: bytes as base64, which the pipelines take as well; one element as a scalar."""
    values = [_text(value) for value in array.reshape(-1)] if array.dtype == object else array.tolist()
    return values[0] if array.size == 1 else values


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _array(value: Any, datatype: str) -> Array:
    """An output from JSON, where an array of one element is a scalar."""
    values = value if isinstance(value, list) else [value]
    if datatype == "BYTES":
        return np.array([text.encode() for text in values], dtype=object)
    return np.array(values, dtype=triton_to_np_dtype(datatype))
