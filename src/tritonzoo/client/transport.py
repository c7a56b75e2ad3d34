"""The seam between the client's logic and a server: six calls, made by tritonclient or by a fake."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from tritonzoo.client.description import Pipeline

Array: TypeAlias = NDArray[Any]
ParameterValue = str | int | float | bool


@dataclass(frozen=True)
class SequencePlace:
    """The sequence that a request belongs to, and whether it is its first or its last."""

    id: str
    starts: bool
    ends: bool


class Transport(Protocol):
    """One server. Every call raises only `tritonzoo.errors.CallError`."""

    async def ready(self) -> bool:
        """Whether the server takes requests."""

    async def names(self) -> list[str]:
        """Name every model that is loaded, pipelines and members."""

    async def describe(self, name: str) -> Pipeline:
        """Read what a pipeline takes and gives; raises NotFoundError."""

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, ParameterValue],
        sequence: SequencePlace | None = None,
    ) -> dict[str, Array]:
        """Make one request, by itself or in a sequence; every output of the answer by name."""

    def stream(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> AsyncGenerator[dict[str, Array]]:
        """Make one request to a model with any number of answers, each as it comes.

        Closing the iterator tells the server that nobody wants the rest.
        """

    async def close(self) -> None:
        """End the connections; further calls are refused."""
