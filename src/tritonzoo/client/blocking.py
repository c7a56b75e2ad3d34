"""The client for ordinary programs: every call waits for its answer."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.connection import Connected, FileSource
from tritonzoo.client.description import Pipeline
from tritonzoo.client.loop_thread import LoopThread, shared_loop
from tritonzoo.client.recordings import AudioSource
from tritonzoo.client.results import Letter, Sentiment
from tritonzoo.client.tasks import HANDWRITING, SENTIMENT
from tritonzoo.client.transcription import StreamedSegment, Transcription, transcription_options
from tritonzoo.client.transport import Array, ParameterValue, Transport
from tritonzoo.client.vad import SpeechOptions, SpeechStream, VoiceActivity, chunks
from tritonzoo.errors import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client(Connected):
    """Calls the pipelines of a server; may be used from many threads at once.

        with Client("localhost:8001") as client:
            vectors = client.embed(["one", "two"])      # float32 (2, d)

    - `url`: `host:port`, or with a scheme: grpc, grpcs, http, https. `protocol` says which where the url
      does not; gRPC if neither does.
    - `timeout_s`: how long one request to the server may take.
    - `in_flight`: requests that one call with many inputs has under way at a time.
    - `headers`: sent with every request (a proxy's token); `ca_file`: PEM file to trust under TLS.
    - `transport`: another way to a server, such as `FakeTransport` in tests; `url` then counts for nothing.

    Every call raises a `tritonzoo.errors.CallError`: InvalidInputError (your input, with its `row` among
    several), NotFoundError, ForbiddenError, UnavailableError, TimedOutError, ServerFaultError.
    """

    def _begin(self) -> None:
        self._loop = shared_loop()
        self._close = weakref.finalize(self, _close, self._loop, self._calls.transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; a client that is let go of, or left at exit, does so by itself."""
        self._close()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the server takes requests; raises TimedOutError, saying why it does not."""
        self._loop.run(self._calls.wait_ready(timeout_s))

    def pipelines(self) -> list[str]:
        """Name the pipelines that the server has loaded."""
        return self._loop.run(self._calls.pipelines())

    def describe(self, pipeline: str) -> Pipeline:
        """Say what a pipeline, or any model, takes and gives."""
        return self._loop.run(self._calls.describe(pipeline))

    def infer(
        self,
        pipeline: str,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> dict[str, Array]:
        """Make one request to any pipeline or model; every output by name.

        `inputs` are arrays or what makes one: dtypes are the server's, a value without the batch axis gets
        one of length 1, a lone str, bytes or number fills all axes. Outputs keep the batch axis. BYTES
        outputs are object arrays of bytes.
        """
        return self._loop.run(self._calls.infer(pipeline, inputs, parameters))

    @overload
    def embed(self, texts: str | Iterable[str]) -> NDArray[np.float32]: ...
    @overload
    def embed(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[NDArray[np.float32] | InvalidInputError]: ...
    def embed(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """Embed texts: float32 (n, d), rows of unit length in the order of the texts; one text is n = 1.

        Any number of texts; no texts give shape (0, d). A text that was too long gives a TextTruncated
        warning. A refused text raises InvalidInputError with its `row`; with `return_exceptions` the
        answer is a list of vectors (d,), with the error in the place of each refused text.
        """
        return self._loop.run(self._calls.embed(texts, return_exceptions)).deliver()

    @overload
    def sentiment(self, texts: str) -> Sentiment: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    def sentiment(self, texts: Iterable[str]) -> list[Sentiment]: ...
    @overload
    def sentiment(
        self, texts: Iterable[str], *, return_exceptions: Literal[True]
    ) -> list[Sentiment | InvalidInputError]: ...
    def sentiment(self, texts: str | Iterable[str], *, return_exceptions: bool = False) -> Any:
        """Judge texts: one in, one Sentiment out; several in, a list in their order.

        Long and refused texts are treated as `embed` does.
        """
        return self._loop.run(self._calls.ask(SENTIMENT, texts, return_exceptions)).deliver()

    @overload
    def handwriting(self, images: FileSource) -> Letter: ...  # type: ignore[overload-overlap]  # str is iterable
    @overload
    def handwriting(self, images: Iterable[FileSource]) -> list[Letter]: ...
    @overload
    def handwriting(
        self, images: Iterable[FileSource], *, return_exceptions: Literal[True]
    ) -> list[Letter | InvalidInputError]: ...
    def handwriting(
        self, images: FileSource | Iterable[FileSource], *, return_exceptions: bool = False
    ) -> Any:
        """Read handwritten letters: one picture in, one Letter out; several in, a list in their order.

        A picture is a path (str or Path) or the bytes of an image file. A file that is not there raises
        InvalidInputError, and so does a picture that the server refuses; `return_exceptions` as in `embed`.
        """
        return self._loop.run(self._calls.ask(HANDWRITING, images, return_exceptions)).deliver()

    def vad(self, recording: AudioSource, **options: Unpack[SpeechOptions]) -> VoiceActivity:
        """Find where in a recording of any length somebody speaks.

        A recording is a path, the bytes of an audio file, or an array of samples, 16 kHz mono. `options` are
        the parameters of silero-vad's get_speech_timestamps (docs/audio.md), such as `threshold=0.6`.
        """
        return self._loop.run(self._calls.vad(recording, options))

    def vad_stream(self, *, sample_rate_hz: int = 16_000, **options: Unpack[SpeechOptions]) -> SpeechStream:
        """Begin a stream of sound that tells when somebody starts and stops speaking; see `SpeechStream`."""
        return SpeechStream(chunks(self._calls.transport, sample_rate_hz, options), self._loop)

    def transcribe(
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
        """Write down what is said in a recording of any length, with the times of segments and words.

        A recording is a path, the bytes of an audio file, or an array of samples, 16 kHz mono. `language`:
        a code such as "en"; None detects it. `task`: "translate" writes English. `prompt`: text that might
        come before, for names and spelling. `vad`: cut at pauses, which decodes several windows at once and
        keeps silence away from Whisper; False: Whisper's own sequential algorithm. `options`: the pipeline's
        other request parameters (docs/transcription.md).

        Long recordings take longer than the 60 s of a client's `timeout_s`: raise it, or take
        `transcribe_stream`, which waits so long for one segment only.
        """
        options = transcription_options(language, task, word_timestamps, prompt, vad, options)
        return self._loop.run(self._calls.transcribe(recording, options))

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
    ) -> Generator[StreamedSegment]:
        """Give each segment as soon as it is ready; options as in `transcribe`.

        Closing the iterator, or leaving it to be collected, ends the work on the server too.
        """
        options = transcription_options(language, task, word_timestamps, prompt, vad, options)
        segments = self._calls.transcribe_stream(recording, options)
        try:
            while (segment := self._loop.run(_next(segments))) is not None:
                yield segment
        finally:
            self._loop.run(segments.aclose())


async def _next(segments: AsyncGenerator[StreamedSegment]) -> StreamedSegment | None:
    return await anext(segments, None)


def _close(loop: LoopThread, transport: Transport) -> None:
    loop.finish(transport.close())
