"""A server that is a dictionary of functions, for tests of programs that use the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tritonzoo.client.description import Pipeline
from tritonzoo.client.transport import Array, ParameterValue
from tritonzoo.errors import NotFoundError

Answer = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass
class FakeTransport:
    """Answers each pipeline's requests with a function from its input arrays to its output arrays.

    A function may raise any `tritonzoo.errors.CallError`, as a server would. `requests` records what came.

        client = Client(transport=FakeTransport({pipeline: lambda inputs: {"embedding": ...}}))
    """

    pipelines: Mapping[Pipeline, Answer]
    requests: list[tuple[str, dict[str, Array]]] = field(default_factory=list)

    async def ready(self) -> bool:
        return True

    async def names(self) -> list[str]:
        return [pipeline.name for pipeline in self.pipelines]

    async def describe(self, name: str) -> Pipeline:
        return self._find(name)[0]

    async def infer(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> dict[str, Array]:
        self.requests.append((name, dict(inputs)))
        return dict(self._find(name)[1](inputs))

    async def close(self) -> None:
        """Nothing is open."""

    def _find(self, name: str) -> tuple[Pipeline, Answer]:
        for pipeline, answer in self.pipelines.items():
            if pipeline.name == name:
                return pipeline, answer
        raise NotFoundError(f"Request for unknown model: {name!r} is not found")
