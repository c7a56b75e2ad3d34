"""The model class of both transcription pipelines: one answer at the end, or one for each segment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tritonzoo.runtime.audio import request_blocks
from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.model import Answer
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.transcription.jobs import Job, Watch
from tritonzoo.runtime.transcription.members import Members
from tritonzoo.runtime.transcription.options import TranscriptionOptions
from tritonzoo.runtime.transcription.transcriber import Transcription, WindowTold
from tritonzoo.runtime.transcription.transcript import dropped_tensors, segment_tensors

BLOCK_S = 20.0  # what is decoded and heard by the VAD at a time


class TranscriptionModel(ConcurrentModel):
    """Transcribes recordings of any length, many at once.

    Parameters of config.pbtxt: `windows_at_once`, windows at work for all recordings together; and
    `windows_of_one`, at most for one recording, so that a long one does not hold up the short ones.
    """

    read_parameters = TranscriptionOptions.read

    def setup(self) -> None:
        """Start what all requests share."""
        windows_at_once = self.parameter("windows_at_once", 32)
        self._windows_of_one = self.parameter("windows_of_one", 8)
        self._windows = ThreadPoolExecutor(windows_at_once, thread_name_prefix="window")
        self._members = Members(self.call)
        self._watch = Watch(self._members.cancel, self.log)

    def teardown(self) -> None:
        """End the threads."""
        self._watch.stop()
        self._windows.shutdown()

    def infer_request(self, request: Request) -> Answer:
        """The whole transcript."""
        with self._transcription(request) as transcription:
            told = list(transcription)
        segments = [segment for each in told for segment in each.segments]
        language, probability = transcription.language
        return {
            "text": ["".join(segment.text for segment in segments).strip()],
            "language": [language],
            "language_probability": [probability],
            "duration_s": [transcription.duration_s],
            "stop_reason": [_worst(told)],
            **segment_tensors(segments),
            **dropped_tensors([dropped for each in told for dropped in each.dropped]),
        }

    def stream_request(self, request: Request) -> Iterator[Answer]:
        """One answer for each segment.

        Nothing is sent ahead of the work, and no more than `windows_of_one` windows are worked ahead of what
        is sent. Triton keeps what a slow caller has not read yet, which is text only.
        """
        with self._transcription(request) as transcription:
            for told in transcription:
                language, probability = transcription.language
                for segment in told.segments:
                    yield {
                        "text": [segment.text.strip()],
                        "language": [language],
                        "language_probability": [probability],
                        "transcribed_s": [told.transcribed_s],
                        "read_s": [told.read_s],
                        **segment_tensors([segment]),
                    }

    def options(self, request: Request) -> TranscriptionOptions:
        """A request's parameters, what was not sent as the checkpoint advises."""
        return TranscriptionOptions.read(RequestParameters(request.parameters), self._members.advice)

    @contextmanager
    def _transcription(self, request: Request) -> Iterator[Transcription]:
        options = self.options(request)
        blocks = request_blocks(request.get("audio"), request.get("waveform"), block_s=BLOCK_S)
        job = Job(request.is_cancelled)
        with self._watch.over(job):
            yield Transcription(blocks, options, self._members, job, self._windows, self._windows_of_one)


def _worst(told: list[WindowTold]) -> str:
    """`length` where any window was cut off by the model's limit, else `stop`."""
    return "length" if any(each.stop_reason == "length" for each in told) else "stop"
