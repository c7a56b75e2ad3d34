"""Where somebody speaks: in a recording, and in a stream while it is recorded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.loop_thread import LoopThread
from tritonzoo.client.recordings import recording_inputs
from tritonzoo.client.transport import Array, ParameterValue, SequencePlace, Transport
from tritonzoo.errors import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Self

PIPELINE = "ensemble_vad"
STREAM = "vad_stream"
WINDOW_S = 0.032  # what one probability is about


class SpeechOptions(TypedDict, total=False):
    """When sound counts as speech; what is left out has the server's default (docs/audio.md)."""

    threshold: float
    neg_threshold: float
    min_speech_duration_ms: float
    min_silence_duration_ms: float
    speech_pad_ms: float
    max_speech_duration_s: float
    min_silence_at_max_speech_ms: float
    use_max_poss_sil_at_max_speech: bool


@dataclass(frozen=True)
class Speech:
    """Somebody speaks from one time to another, in seconds of the recording."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class VoiceActivity:
    """The speech of a recording, and how probable speech is in each 32 ms of it."""

    segments: tuple[Speech, ...]
    probabilities: NDArray[np.float32] = field(compare=False)  # (windows,)

    @property
    def speech_s(self) -> float:
        """How long somebody speaks, all together."""
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    @classmethod
    def from_answer(cls, answer: Mapping[str, Array]) -> VoiceActivity:
        """Read the outputs of ensemble_vad."""
        times = zip(answer["segment_start_s"].tolist(), answer["segment_end_s"].tolist(), strict=True)
        return cls(tuple(Speech(start, end) for start, end in times), answer["speech_probability"])


@dataclass(frozen=True)
class SpeechEvent:
    """Somebody starts to speak, or stops, at a time of the stream."""

    kind: Literal["start", "end"]
    time_s: float


class _Chunks:
    """The calls of one stream, as coroutines."""

    def __init__(self, transport: Transport, parameters: Mapping[str, ParameterValue]) -> None:
        self._transport = transport
        self._parameters = parameters
        self._id = uuid.uuid4().hex
        self._is_open = False
        self._has_ended = False

    async def send(self, samples: NDArray[Any], *, last: bool = False) -> list[SpeechEvent]:
        if self._has_ended:
            raise InvalidInputError("this stream was finished; begin another one with vad_stream()")
        inputs = recording_inputs(samples)
        if "waveform" not in inputs:
            raise InvalidInputError("a stream takes samples in a NumPy array; use vad() for a file")
        place = SequencePlace(self._id, starts=not self._is_open, ends=last)
        parameters = {} if self._is_open else self._parameters
        answer = await self._transport.infer(STREAM, inputs, parameters, place)
        self._is_open, self._has_ended = not last, last
        return [
            SpeechEvent(cast(Literal["start", "end"], kind.decode()), time_s)
            for kind, time_s in zip(answer["event"].tolist(), answer["event_s"].tolist(), strict=True)
        ]

    async def finish(self) -> list[SpeechEvent]:
        if not self._is_open:
            self._has_ended = True  # nothing was sent, or all was said
            return []
        return await self.send(np.empty(0, np.float32), last=True)


class SpeechStream:
    """A stream of sound to a server; a context manager that tells the server when it is over.

    with client.vad_stream() as stream:
        for samples in microphone:
            for event in stream.send(samples):
                print(event.kind, event.time_s)
        print(stream.finish())
    """

    def __init__(self, chunks: _Chunks, loop: LoopThread) -> None:
        """Use `Client.vad_stream`."""
        self._chunks, self._loop = chunks, loop

    def send(self, samples: NDArray[Any]) -> list[SpeechEvent]:
        """Send the next samples, any number (floats from -1 to 1, or 16-bit integers); what is new."""
        return self._loop.run(self._chunks.send(samples))

    def finish(self) -> list[SpeechEvent]:
        """Say that this was all; what is left to tell."""
        return self._loop.run(self._chunks.finish())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()


class AsyncSpeechStream:
    """See `SpeechStream`; every call is awaited."""

    def __init__(self, chunks: _Chunks) -> None:
        """Use `AsyncClient.vad_stream`."""
        self._chunks = chunks

    async def send(self, samples: NDArray[Any]) -> list[SpeechEvent]:
        """See `SpeechStream.send`; await each before the next."""
        return await self._chunks.send(samples)

    async def finish(self) -> list[SpeechEvent]:
        """See `SpeechStream.finish`."""
        return await self._chunks.finish()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.finish()


def chunks(transport: Transport, sample_rate_hz: int, options: SpeechOptions) -> _Chunks:
    """A stream that has not begun."""
    return _Chunks(transport, {"sample_rate_hz": sample_rate_hz, **speech_parameters(options)})


def speech_parameters(options: SpeechOptions) -> dict[str, ParameterValue]:
    """Options as request parameters: Triton carries no fractions, so numbers go as text."""
    return {name: value if isinstance(value, bool) else str(value) for name, value in options.items()}
