"""The client for asyncio programs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.connection import Connected, FileSource
from tritonzoo.client.description import Pipeline
from tritonzoo.client.recordings import AudioSource
from tritonzoo.client.results import Letter, Sentiment
from tritonzoo.client.tasks import HANDWRITING, SENTIMENT
from tritonzoo.client.transcription import StreamedSegment, Transcription, transcription_options
from tritonzoo.client.transport import Array, ParameterValue
from tritonzoo.client.vad import AsyncSpeechStream, SpeechOptions, VoiceActivity, chunks
from tritonzoo.errors import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncClient(Connected):
    """The calls of `Client`, as coroutines; any number may be under way at once over its connections.

    It belongs to the event loop of its first call. Arguments, answers and errors are those of `Client`.

        async with AsyncClient("localhost:8001") as client:
            vectors = await client.embed(["one", "two"])
    """

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        await self._calls.transport.close()

    async def wait_ready(self, timeout_s: float = 60.0) -> None:
        """See `Client.wait_ready`."""
        await self._calls.wait_ready(timeout_s)

    async def pipelines(self) -> list[str]:
        """See `Client.pipelines`."""
        return await self._calls.pipelines()

    async def describe(self, pipeline: str) -> Pipeline:
        """See `Client.describe`."""
        return await self._calls.describe(pipeline)

    async def infer(
        self,
        pipeline: str,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> dict[str, Array]:
        """See `Client.infer`."""
        return await self._calls.infer(pipeline, inputs, parameters)

    @overload
    async def embed(self, texts: str | Iterable[str]) -> NDArray[np.float32]: ...
    @overload
    async def embed(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[NDArray[np.float32] | InvalidInputError]: ...
    async def embed(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """See `Client.embed`."""
        return (await self._calls.embed(texts, return_exceptions)).deliver()

    @overload
    async def sentiment(self, texts: str) -> Sentiment: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    async def sentiment(self, texts: Iterable[str]) -> list[Sentiment]: ...
    @overload
    async def sentiment(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[Sentiment | InvalidInputError]: ...
    async def sentiment(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """See `Client.sentiment`."""
        return (await self._calls.ask(SENTIMENT, texts, return_exceptions)).deliver()

    @overload
    async def handwriting(self, images: FileSource) -> Letter: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    async def handwriting(self, images: Iterable[FileSource]) -> list[Letter]: ...
    @overload
    async def handwriting(
        self, images: Iterable[FileSource], *, return_exceptions: Literal[True]
    ) -> list[Letter | InvalidInputError]: ...
    async def handwriting(
        self, images: FileSource | Iterable[FileSource], *, return_exceptions: bool = False
    ) -> Any:
        """See `Client.handwriting`."""
        return (await self._calls.ask(HANDWRITING, images, return_exceptions)).deliver()

    async def vad(self, recording: AudioSource, **options: Unpack[SpeechOptions]) -> VoiceActivity:
        """See `Client.vad`."""
        return await self._calls.vad(recording, options)

    def vad_stream(
        self, *, sample_rate_hz: int = 16_000, **options: Unpack[SpeechOptions]
    ) -> AsyncSpeechStream:
        """See `Client.vad_stream`."""
        return AsyncSpeechStream(chunks(self._calls.transport, sample_rate_hz, options))

    async def transcribe(
        self,
        recording: AudioSource,
        *,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        word_timestamps: bool = True,
        prompt: str | None = None,
        vad: bool = True,
        **options: ParameterValue,
    ) -> Transcription:
        """See `Client.transcribe`."""
        options = transcription_options(language, task, word_timestamps, prompt, vad, options)
        return await self._calls.transcribe(recording, options)

    def transcribe_stream(
        self,
        recording: AudioSource,
        *,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        word_timestamps: bool = True,
        prompt: str | None = None,
        vad: bool = True,
        **options: ParameterValue,
    ) -> AsyncGenerator[StreamedSegment]:
        """See `Client.transcribe_stream`."""
        options = transcription_options(language, task, word_timestamps, prompt, vad, options)
        return self._calls.transcribe_stream(recording, options)
