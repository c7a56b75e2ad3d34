"""A server that is a dictionary of functions, for tests of programs that use the client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tritonzoo.client.description import Pipeline
from tritonzoo.client.transport import Array, ParameterValue, SequencePlace
from tritonzoo.errors import NotFoundError

Answer = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Answers = Callable[[Mapping[str, Array]], Iterable[Mapping[str, Array]]]


@dataclass
class FakeTransport:
    """Answers each pipeline's requests with a function from its input arrays to its output arrays.

    A function may raise any `tritonzoo.errors.CallError`, as a server would. `streams` has those of models
    that answer any number of times. `requests` and `parameters` record what came.

        client = Client(transport=FakeTransport({pipeline: lambda inputs: {"embedding": ...}}))
    """

    pipelines: Mapping[Pipeline, Answer]
    requests: list[tuple[str, dict[str, Array]]] = field(default_factory=list)
    streams: Mapping[str, Answers] = field(default_factory=dict)  # by name of the model
    parameters: list[dict[str, ParameterValue]] = field(default_factory=list)  # of each of `requests`
    sequences: list[SequencePlace | None] = field(default_factory=list)  # of each call of `infer`

    async def ready(self) -> bool:
        return True

    async def names(self) -> list[str]:
        return [pipeline.name for pipeline in self.pipelines]

    async def describe(self, name: str) -> Pipeline:
        return self._find(name)[0]

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, ParameterValue],
        sequence: SequencePlace | None = None,
    ) -> dict[str, Array]:
        self.requests.append((name, dict(inputs)))
        self.parameters.append(dict(parameters))
        self.sequences.append(sequence)
        return dict(self._find(name)[1](inputs))

    async def stream(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> AsyncGenerator[dict[str, Array]]:
        self.requests.append((name, dict(inputs)))
        self.parameters.append(dict(parameters))
        for answer in self.streams[name](inputs):
            yield dict(answer)

    async def close(self) -> None:
        """Nothing is open."""

    def _find(self, name: str) -> tuple[Pipeline, Answer]:
        for pipeline, answer in self.pipelines.items():
            if pipeline.name == name:
                return pipeline, answer
        raise NotFoundError(f"Request for unknown model: {name!r} is not found")
