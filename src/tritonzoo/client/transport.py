"""The seam between the client's logic and a server: five calls, made by tritonclient or by a fake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from tritonzoo.client.description import Pipeline

Array: TypeAlias = NDArray[Any]
ParameterValue = str | int | float | bool


class Transport(Protocol):
    """One server. Every call raises only `tritonzoo.errors.CallError`."""

    async def ready(self) -> bool:
        """Whether the server takes requests."""

    async def names(self) -> list[str]:
        """Name every model that is loaded, pipelines and members."""

    async def describe(self, name: str) -> Pipeline:
        """Read what a pipeline takes and gives; raises NotFoundError."""

    async def infer(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> dict[str, Array]:
        """Make one request; every output of the answer by name."""

    async def close(self) -> None:
        """End the connections; further calls are refused."""
