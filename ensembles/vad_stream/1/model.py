"""Find when somebody starts and stops speaking in a live stream."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.model import Answer
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.vad.live import LiveStream
from tritonzoo.runtime.vad.streams import Streams, Turns


class TritonPythonModel(ConcurrentModel):
    """Keeps, for each sequence, what `LiveStream` must remember: a few kilobytes, whatever its length."""

    read_parameters = LiveStream.options

    def setup(self) -> None:
        """Let go of streams when Triton does: it forgets an idle sequence without a word."""
        idle_us = self.config["sequence_batching"]["max_sequence_idle_microseconds"]
        self._streams: Streams[LiveStream] = Streams(idle_s=idle_us / 1e6)
        self._turns = Turns()

    def turn(self, request: Request) -> AbstractContextManager[None]:
        """The chunks of a stream one after another, as they came."""
        return self._turns.take(request.sequence_id)

    def infer_request(self, request: Request) -> Answer:
        """waveform: (samples,); event, event_s: (events,), speech_probability: (windows,)."""
        sequence = request.sequence_id
        if request.starts_sequence:
            call = partial(self.call, "silero_vad")
            self._streams.begin(sequence, LiveStream(*self.options(request), call))
        stream = self._streams.of(sequence)
        try:
            heard = stream.hear(request["waveform"], last=request.ends_sequence)
        except InvalidInput:
            raise  # the chunk was refused before anything was made of it: the stream goes on
        except Exception:  # whatever it was, half of the chunk may be counted: not to be gone on with
            self._streams.end(sequence)
            raise
        if request.ends_sequence:
            self._streams.end(sequence)
        return {
            "event": [event.kind for event in heard.events],
            "event_s": [event.time_s for event in heard.events],
            "speech_probability": heard.speech_probability,
        }
