"""A Triton server, reached by tritonclient over gRPC or HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tritonzoo.client.description import Pipeline
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.failures import call_error
from tritonzoo.client.streaming import grpc_answers, http_answers
from tritonzoo.client.transport import Array, ParameterValue, SequencePlace

MAX_HTTP_CONNECTIONS = 100
SEQUENCE_HEADER = "sequence-id"  # a balancer keeps a sequence at one replica by it (deploy/edge/haproxy.cfg)
RECONNECT_MS = (100, 1000)  # first and longest pause; gRPC's own grows to two minutes, long after a restart


class TritonTransport:
    """Connects at the first call and stays connected; belongs to the event loop of that call."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}  # as gRPC demands
        if endpoint.protocol == "http":
            # By aiohttp's own header Triton would compress every answer: work, and floats hardly shrink.
            self._headers.setdefault("accept-encoding", "identity")
        self._ca_file = ca_file
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._closed = False
        # Both imports take tenths of a second, which would stop the event loop at the first call.
        self._library: Any = import_module(f"tritonclient.{endpoint.protocol}")
        self._aio: Any = import_module(f"tritonclient.{endpoint.protocol}.aio")
        self._lost: tuple[type[Exception], ...] = ()  # a kept connection turned out to be gone
        self._failures: tuple[type[Exception], ...] = (InferenceServerException, asyncio.TimeoutError)
        if endpoint.protocol == "http":
            self._lost = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
            self._failures = (InferenceServerException, aiohttp.ClientError, asyncio.TimeoutError, OSError)

    async def ready(self) -> bool:
        return bool(await self._call("is_server_ready"))

    async def names(self) -> list[str]:
        # Statistics, because the repository index is locked on a server that `tritonzoo serve` started.
        return sorted({model["name"] for model in await self.statistics()})

    async def statistics(self) -> list[dict[str, Any]]:
        """Triton's counters, one entry for each model and version; over gRPC whole numbers come as text."""
        statistics = await self._call("get_inference_statistics", **self._json())
        return list(statistics.get("model_stats", ()))

    async def config(self, name: str) -> dict[str, Any]:
        """The configuration that a model was loaded with, Triton's JSON; raises NotFoundError."""
        config = await self._call("get_model_config", name, **self._json())
        return dict(config.get("config", config))

    async def version(self) -> str:
        """Triton's own version."""
        return str((await self._call("get_server_metadata", **self._json()))["version"])

    async def describe(self, name: str) -> Pipeline:
        return Pipeline.from_config(await self.config(name))

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, ParameterValue],
        sequence: SequencePlace | None = None,
    ) -> dict[str, Array]:
        self._connect()
        tensors = [self._tensor(key, array) for key, array in inputs.items()]
        options: dict[str, Any] = {"parameters": dict(parameters) or None}
        if sequence is not None:
            options["sequence_id"] = sequence.id
            options["sequence_start"], options["sequence_end"] = sequence.starts, sequence.ends
            options["headers"] = {SEQUENCE_HEADER: sequence.id}
        result = await self._call("infer", name, tensors, **options)
        response = result.get_response()
        outputs = response.outputs if self.endpoint.protocol == "grpc" else response.get("outputs", ())
        names = [output.name if self.endpoint.protocol == "grpc" else output["name"] for output in outputs]
        return {key: result.as_numpy(key) for key in names}

    async def stream(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> AsyncGenerator[dict[str, Array]]:
        self._connect()
        if self.endpoint.protocol == "grpc":
            tensors = [self._tensor(key, array) for key, array in inputs.items()]
            answers = grpc_answers(self._client, name, tensors, parameters, self._headers, self.timeout_s)
        else:
            answers = http_answers(
                str(self.endpoint),
                await self.describe(name),
                inputs,
                parameters,
                self._headers,
                self.timeout_s,
                self._tls(),
            )
        async with aclosing(answers):
            try:
                async for answer in answers:
                    yield answer
            except self._failures as error:
                raise call_error(error, self.endpoint, self.timeout_s) from None

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _tensor(self, name: str, array: Array) -> Any:
        tensor = self._library.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        return tensor

    def _json(self) -> dict[str, bool]:
        return {"as_json": True} if self.endpoint.protocol == "grpc" else {}

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call tritonclient, once more where the server had closed a kept connection meanwhile."""
        self._connect()
        if self.endpoint.protocol == "grpc":
            options["client_timeout"] = self.timeout_s
        headers = {**self._headers, **options.pop("headers", {})}  # a copy: tritonclient adds its own to it
        if headers:
            options["headers"] = headers
        call: Callable[..., Awaitable[Any]] = getattr(self._client, method)
        try:
            try:
                return await call(*arguments, **options)
            except self._lost:
                return await call(*arguments, **options)
        except self._failures as error:
            raise call_error(error, self.endpoint, self.timeout_s) from None

    def _connect(self) -> None:
        if self._closed:
            raise RuntimeError("this client was closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._client is None:
            self._loop = loop
            if self.endpoint.protocol == "grpc":
                self._connect_grpc()
            else:
                self._connect_http()
        elif self._loop is not loop:
            raise RuntimeError(
                "this AsyncClient is connected in another event loop; make one in each loop, or use Client"
            )

    def _connect_grpc(self) -> None:
        first_ms, longest_ms = RECONNECT_MS
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", first_ms),
            ("grpc.min_reconnect_backoff_ms", longest_ms),
            ("grpc.max_reconnect_backoff_ms", longest_ms),
        ]
        if self.endpoint.is_loopback:
            options.append(("grpc.enable_http_proxy", 0))  # no proxy knows this machine's own ports
        self._client = self._aio.InferenceServerClient(
            self.endpoint.address,
            ssl=self.endpoint.secure,
            root_certificates=self._ca_file,
            channel_args=options,
        )

    def _tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self._ca_file) if self.endpoint.secure else None

    def _connect_http(self) -> None:
        context = self._tls()
        self._client = self._aio.InferenceServerClient(
            self.endpoint.address,
            conn_limit=MAX_HTTP_CONNECTIONS,
            conn_timeout=self.timeout_s,
            ssl=self.endpoint.secure,
            ssl_context=context if context is not None else True,
        )
