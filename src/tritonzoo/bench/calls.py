"""Requests made once and sent many times: bytes out, bytes back, so that the generator costs little.

What tritonclient does anew for each request (arrays to messages, a message to arrays) is done here before the
load, and after it for those answers that are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import grpc.aio
import numpy as np
from tritonclient import http as triton_http
from tritonclient.grpc import InferResult as GrpcResult
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, serialize_byte_tensor

from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.failures import sentence
from tritonzoo.client.transport import Array, ParameterValue

METHOD = "/inference.GRPCInferenceService/ModelInfer"
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Made:
    """A request as it goes over the wire."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer as it came, or why there is none."""

    body: bytes = b""
    header_length: int = 0  # of an HTTP answer: where its JSON ends
    error: str = ""


class Caller(Protocol):
    """One protocol."""

    def make(
        self, pipeline: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> Made:
        """The request that asks `pipeline` for every output."""

    async def send(self, made: Made) -> Reply:
        """Send it; an error is an answer, too."""

    def read(self, reply: Reply) -> dict[str, Array]:
        """The outputs in an answer without error."""

    async def close(self) -> None:
        """End the connections."""


class GrpcCaller:
    """gRPC over one connection, as tritonclient's."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        if endpoint.is_loopback:
            options.append(("grpc.enable_http_proxy", 0))
        if endpoint.secure:
            self._channel = grpc.aio.secure_channel(
                endpoint.address, grpc.ssl_channel_credentials(), options=options
            )
        else:
            self._channel = grpc.aio.insecure_channel(endpoint.address, options=options)
        self._timeout_s = timeout_s
        self._infer = self._channel.unary_unary(METHOD)  # no serializers: bytes

    def make(
        self, pipeline: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> Made:
        request = service_pb2.ModelInferRequest(model_name=pipeline)
        for name, array in inputs.items():
            request.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
            request.raw_input_contents.append(raw(array))
        for name, value in parameters.items():
            kind = {bool: "bool_param", int: "int64_param", float: "double_param"}.get(
                type(value), "string_param"
            )
            setattr(request.parameters[name], kind, value)
        return Made(request.SerializeToString(), {})

    async def send(self, made: Made) -> Reply:
        try:
            return Reply(await self._infer(made.body, timeout=self._timeout_s))
        except grpc.aio.AioRpcError as error:
            return Reply(error=f"{error.code().name}: {sentence(error.details() or '')}")

    def read(self, reply: Reply) -> dict[str, Array]:
        response = service_pb2.ModelInferResponse.FromString(reply.body)
        result = GrpcResult(response)
        return {output.name: result.as_numpy(output.name) for output in response.outputs}

    async def close(self) -> None:
        await self._channel.close()


class HttpCaller:
    """HTTP with Triton's binary tensors, over as many kept connections as there are requests under way."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        self._base = str(endpoint)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._url = ""

    def make(
        self, pipeline: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> Made:
        self._url = f"{self._base}/v2/models/{pipeline}/infer"
        tensors = []
        for name, array in inputs.items():
            tensor = triton_http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        body, header_length = triton_http.InferenceServerClient.generate_request_body(
            tensors, parameters=dict(parameters) or None
        )
        # Never form-encoded, which crashes Triton 24.10 on bodies of some MB.
        headers = {"Content-Type": "application/octet-stream"}
        return Made(
            body, headers if header_length is None else {**headers, HEADER_LENGTH: str(header_length)}
        )

    async def send(self, made: Made) -> Reply:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=self._timeout,
                skip_auto_headers=["Accept-Encoding"],  # aiohttp's own has Triton compress every answer
            )
        try:
            async with self._session.post(self._url, data=made.body, headers=made.headers) as response:
                body = await response.read()
                if response.status == 200:
                    return Reply(body, int(response.headers.get(HEADER_LENGTH, len(body))))
                return Reply(error=f"{response.status}: {_said(body)}")
        except TimeoutError:
            return Reply(error=f"no answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Reply(error=f"{type(error).__name__}: {error}")

    def read(self, reply: Reply) -> dict[str, Array]:
        result = triton_http.InferenceServerClient.parse_response_body(
            reply.body, header_length=reply.header_length
        )
        return {
            output["name"]: result.as_numpy(output["name"]) for output in result.get_response()["outputs"]
        }

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def caller(endpoint: Endpoint, timeout_s: float) -> Caller:
    """The caller for an address's protocol; made within the event loop that uses it."""
    kind = GrpcCaller if endpoint.protocol == "grpc" else HttpCaller
    return kind(endpoint, timeout_s)


def raw(array: Array) -> bytes:
    """A tensor's bytes on the wire; texts each with its length before it."""
    if array.dtype != np.object_:
        return array.tobytes()
    try:
        return bytes(serialize_byte_tensor(array).item())
    except InferenceServerException as error:
        raise TypeError(f"an array that is no tensor: {error}") from error


def _said(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
        return sentence(str(answer["error"]))
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
