"""What each pipeline of the tree answers through an edge, asked over HTTP and over gRPC."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np

from tests.docker.stack import ROOT, Stack, call
from tritonzoo import Client
from tritonzoo.client import Speech
from tritonzoo.repository import Repository
from tritonzoo.runtime.audio import waveform
from tritonzoo.samples import Sample, samples

REPOSITORY = Repository(ROOT)
SAMPLES = [
    (name, one)
    for name, pipeline in REPOSITORY.pipelines.items()
    for one in samples(REPOSITORY, pipeline)[:2]
]
RECORDING = ROOT / "data_samples" / "ensemble_transcription" / "pauses.opus"
SPEECH = ROOT / "data_samples" / "ensemble_vad" / "pauses.flac"
CHUNK = 4_000  # samples, a quarter of a second


def plain(sample: Sample) -> str:
    """A sample as JSON carries it."""
    value = sample.value
    return value if isinstance(value, str) else base64.b64encode(value).decode()


def ask(stack: Stack, pipeline: str, sample: Sample) -> None:
    """Send one sample over both protocols and hold the answers against each other."""
    over_http = call(stack.http, pipeline, {sample.tensor: plain(sample)})
    with Client(f"localhost:{stack.grpc}") as client:
        over_grpc = client.infer(pipeline, {sample.tensor: sample.value})
    for output in REPOSITORY.models[pipeline].config.output:
        given, said = np.ravel(over_grpc[output.name]), np.ravel(over_http[output.name])
        if given.dtype.kind in "fiu":
            np.testing.assert_allclose(said, given, atol=1e-5, err_msg=output.name)
        else:
            assert list(said) == [one.decode() if isinstance(one, bytes) else one for one in given], (
                output.name
            )


def ask_transcription_stream(url: str) -> None:
    """The segments of a stream say what the whole recording's transcript says."""
    with Client(url) as client:
        segments = list(client.transcribe_stream(RECORDING))
        assert len(segments) > 1
        assert (
            "".join(segment.text for segment in segments).split() == client.transcribe(RECORDING).text.split()
        )


def ask_vad_stream(url: str) -> None:
    """A stream, chunk by chunk, says what the whole recording says."""
    with Client(url) as client:
        assert heard(client) == client.vad(SPEECH).segments


def heard(client: Client, chunk: int = CHUNK) -> tuple[Speech, ...]:
    """The speech of the sample, sent as a stream."""
    sound = waveform(SPEECH.read_bytes())
    with client.vad_stream() as stream:
        events = [
            event
            for start in range(0, sound.size, chunk)
            for event in stream.send(sound[start : start + chunk])
        ]
        events += stream.finish()
    starts, ends = ([event.time_s for event in events if event.kind == kind] for kind in ("start", "end"))
    return tuple(Speech(start, end) for start, end in zip(starts, ends, strict=True))


STREAMED: dict[str, Callable[[str], None]] = {
    "transcription_stream": ask_transcription_stream,
    "vad_stream": ask_vad_stream,
}


def urls(stack: Stack) -> tuple[str, str]:
    """The edge's, of both protocols."""
    return f"localhost:{stack.grpc}", f"http://localhost:{stack.http}"
