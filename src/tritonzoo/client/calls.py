"""What both clients do: every call as a coroutine over a transport, without warnings or event loops."""

from __future__ import annotations

import asyncio
import difflib
import os
import warnings
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client import transcription, vad
from tritonzoo.client.description import PIPELINE_PREFIX, Pipeline
from tritonzoo.client.recordings import recording_file, recording_inputs
from tritonzoo.client.results import TextTruncated
from tritonzoo.client.rows import Row, ask_rows
from tritonzoo.client.tasks import EMBEDDING, Task
from tritonzoo.client.tensors import as_arrays
from tritonzoo.client.transcription import StreamedSegment, Transcription
from tritonzoo.client.transport import Array, ParameterValue, Transport
from tritonzoo.client.vad import SpeechOptions, VoiceActivity, speech_parameters
from tritonzoo.errors import CallError, InvalidInputError, NotFoundError, TimedOutError, UnavailableError

R = TypeVar("R")

LONGEST_POLL_S = 1.0


@dataclass(frozen=True)
class Answered(Generic[R]):
    """A value for the caller, and the warning that goes with it."""

    value: R
    truncated: Mapping[int, int] = field(default_factory=dict)  # row: tokens cut off
    rows: int = 1

    def deliver(self) -> R:
        """Give the value, with a TextTruncated warning at the line that called the client."""
        if self.truncated:
            # 1 is this frame, 2 the client's method, 3 its caller
            warnings.warn(TextTruncated(self.truncated, self.rows), stacklevel=3)
        return self.value


class Calls:
    """The calls of one client; `in_flight` bounds the requests that one call has under way."""

    def __init__(self, transport: Transport, in_flight: int) -> None:
        self.transport = transport
        self.in_flight = in_flight
        self._described: dict[str, Pipeline] = {}
        self._embedding_size: int | None = None

    async def wait_ready(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        pause_s = 0.05
        last = "it says that it is not ready"
        while (left_s := end_s - loop.time()) > 0:
            try:
                if await asyncio.wait_for(self.transport.ready(), left_s):
                    return
            except (UnavailableError, TimedOutError) as error:
                last = error.sentence
            except asyncio.TimeoutError:
                last = "it accepts the connection and says nothing"
            await asyncio.sleep(min(pause_s, max(end_s - loop.time(), 0)))
            pause_s = min(2 * pause_s, LONGEST_POLL_S)
        raise TimedOutError(f"the server was not ready within {timeout_s:g} s: {last}")

    async def pipelines(self) -> list[str]:
        described = await asyncio.gather(*map(self.transport.describe, await self.transport.names()))
        return [pipeline.name for pipeline in described if pipeline.is_pipeline]

    async def describe(self, name: str) -> Pipeline:
        if name not in self._described:
            try:
                self._described[name] = await self.transport.describe(name)
            except NotFoundError as error:
                raise await self._with_choices(error, name) from None
        return self._described[name]

    async def infer(
        self, name: str, inputs: Mapping[str, Any], parameters: Mapping[str, ParameterValue] | None
    ) -> dict[str, Array]:
        return await self._request(name, as_arrays(await self.describe(name), inputs), parameters or {})

    async def ask(self, task: Task[R], values: object, return_exceptions: bool) -> Answered[Any]:
        """One input gives one answer, several give a list of them."""
        one = isinstance(values, str | bytes | bytearray | memoryview | os.PathLike)
        if one:
            try:
                answered = await self._ask_many(task, [values], False)
            except InvalidInputError as mistake:
                raise InvalidInputError(mistake.sentence) from None  # no row: there is but one
            return Answered(answered.value[0], answered.truncated)
        if not isinstance(values, Iterable):
            raise InvalidInputError(f"give one input or several in a list, not {type(values).__name__}")
        return await self._ask_many(task, values, return_exceptions)

    async def _ask_many(
        self, task: Task[R], values: Iterable[object], return_exceptions: bool
    ) -> Answered[list[R | InvalidInputError]]:
        encoded = task.encoded(values, return_exceptions=return_exceptions)
        if not encoded:
            return Answered([])
        rows = await ask_rows(
            lambda inputs: self._request(task.pipeline, inputs, {}),
            await self.describe(task.pipeline),
            task.tensor,
            encoded,
            in_flight=self.in_flight,
            return_exceptions=return_exceptions,
        )
        answers = [row if isinstance(row, InvalidInputError) else task.decode(row) for row in rows]
        return Answered(answers, _truncated(rows), len(rows))

    async def embed(
        self, texts: object, return_exceptions: bool
    ) -> Answered[NDArray[np.float32] | list[NDArray[np.float32] | InvalidInputError]]:
        answered = await self.ask(EMBEDDING, texts, return_exceptions)
        if return_exceptions and isinstance(answered.value, list):
            return answered
        vectors = answered.value if isinstance(answered.value, list) else [answered.value]
        if not vectors:
            return Answered(np.empty((0, await self._size()), np.float32))
        self._embedding_size = len(vectors[0])
        return Answered(np.stack(vectors), answered.truncated, answered.rows)

    async def _size(self) -> int:
        """Numbers in an embedding; a server that declares it variable (-1) is asked with one word."""
        declared = (await self.describe(EMBEDDING.pipeline)).output("embedding")
        if declared is not None and declared.dims[-1] > 0:
            return declared.dims[-1]
        if self._embedding_size is None:
            self._embedding_size = len((await self.ask(EMBEDDING, "size", False)).value)
        return self._embedding_size

    async def _request(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, ParameterValue]
    ) -> dict[str, Array]:
        try:
            return await self.transport.infer(name, inputs, parameters)
        except CallError as error:
            self._described.pop(name, None)  # the server may have come back with another configuration
            if isinstance(error, NotFoundError):
                raise await self._with_choices(error, name) from None
            raise

    async def vad(self, source: object, options: SpeechOptions) -> VoiceActivity:
        inputs, parameters = recording_inputs(source), speech_parameters(options)
        return VoiceActivity.from_answer(await self._request(vad.PIPELINE, inputs, parameters))

    async def transcribe(self, source: object, options: Mapping[str, object]) -> Transcription:
        answer = await self._request(
            transcription.PIPELINE, recording_inputs(source), transcription.request_parameters(options)
        )
        return Transcription.from_answer(answer)

    async def transcribe_stream(
        self, source: object, options: Mapping[str, object]
    ) -> AsyncGenerator[StreamedSegment]:
        answers = self.transport.stream(
            transcription.STREAM, recording_file(source), transcription.request_parameters(options)
        )
        async with aclosing(answers):
            async for answer in answers:
                yield transcription.streamed_segment(answer)

    async def _with_choices(self, error: NotFoundError, name: str) -> NotFoundError:
        try:
            names = await self.transport.names()
            pipelines = await self.pipelines()
        except CallError:  # the error at hand says more than that its remedy could not be looked up
            return error
        # Compared without the prefix, which makes every pipeline look like every other; where a member has
        # the pipeline's name, the pipeline is meant.
        kinds = {each.removeprefix(PIPELINE_PREFIX): each for each in (*names, *pipelines)}
        near = difflib.get_close_matches(name.removeprefix(PIPELINE_PREFIX), kinds, n=1)
        meant = f" (did you mean {kinds[near[0]]!r}?)" if near else ""
        listed = f"the pipelines {', '.join(pipelines)}" if pipelines else "no pipeline"
        return NotFoundError(f"{error.sentence}{meant}; this server has {listed}")


def _truncated(rows: list[Row | InvalidInputError]) -> dict[int, int]:
    """Tokens cut off, by row, of the rows that were cut; pipelines that never cut do not say."""
    truncated: dict[int, int] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, InvalidInputError) and "truncated_tokens" in row:
            tokens = int(row["truncated_tokens"].item())
            if tokens:
                truncated[number] = tokens
    return truncated
