"""How a client is told which server to call: what `Client` and `AsyncClient` have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tritonzoo.client.calls import Calls
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.transport import Transport
from tritonzoo.client.triton import TritonTransport

FileSource = str | os.PathLike[str] | bytes


class Connected:
    """A client of one server; the options are told at `Client`. It connects at the first call."""

    def __init__(
        self,
        url: str = "localhost:8001",
        *,
        protocol: Literal["grpc", "http"] | None = None,
        timeout_s: float = 60.0,
        in_flight: int = 4,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        transport: Transport | None = None,
    ) -> None:
        if not timeout_s > 0:
            raise ValueError(f"timeout_s is {timeout_s}; give the seconds that one request may take")
        if in_flight < 1:
            raise ValueError(f"in_flight is {in_flight}; give 1 or more requests")
        if transport is None:
            endpoint = Endpoint.parse(url, protocol)
            transport = TritonTransport(endpoint, timeout_s=timeout_s, headers=headers, ca_file=ca_file)
        self._calls = Calls(transport, in_flight)
        self._begin()

    def _begin(self) -> None:
        """Make whatever else a client needs before its first call."""
