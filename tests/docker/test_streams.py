"""Streams behind two replicas: every chunk reaches the replica that remembers its stream, every segment its caller."""

from __future__ import annotations

import io
import queue
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.docker.answers import CHUNK, RECORDING, SPEECH, STREAMED, heard, urls
from tests.docker.stack import Stack, docker, get, inspect
from tritonzoo import Client
from tritonzoo.errors import CallError
from tritonzoo.runtime.audio import waveform

PROTOCOLS = ["grpc", "http"]


@pytest.fixture(params=PROTOCOLS)
def url(stack: Stack, request: pytest.FixtureRequest) -> str:
    """The edge's address for each protocol."""
    return urls(stack)[PROTOCOLS.index(request.param)]


@pytest.mark.parametrize("pipeline", STREAMED)
def test_a_stream_says_what_the_whole_recording_says(url: str, pipeline: str) -> None:
    STREAMED[pipeline](url)


def executed(stack: Stack, model: str) -> list[float]:
    """How many inferences of a model each replica has made, oldest first."""
    texts = [get(8002, "/metrics", stack.address(one))[1] for one in stack.containers()]
    name = f'nv_inference_count{{model="{model}"'
    return [
        sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)) for text in texts
    ]


def test_streams_side_by_side_are_spread_over_the_replicas_and_none_is_torn(stack: Stack, url: str) -> None:
    before = executed(stack, "vad_stream")
    with Client(urls(stack)[0]) as client:
        whole = client.vad(SPEECH).segments
    with Client(url) as client, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: heard(client, CHUNK + 37 * number), range(6)))
    assert found == [whole] * 6 and len(whole) == 3
    chunks = [now - then for now, then in zip(executed(stack, "vad_stream"), before, strict=True)]
    assert min(chunks) >= 40, chunks  # each replica had at least one whole stream


def test_another_client_s_grpc_stream_stays_where_it_began(stack: Stack) -> None:
    """One gRPC stream is one request of HTTP/2, which no balancer tears: it needs no header."""
    sound = waveform(SPEECH.read_bytes())
    answers: queue.Queue[tuple[grpcclient.InferResult, InferenceServerException | None]] = queue.Queue()
    starts = range(0, sound.size, CHUNK)
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for start in starts:
            place = {"sequence_start": start == 0, "sequence_end": start == starts[-1]}
            client.async_stream_infer(
                "vad_stream", [tensor(sound[start : start + CHUNK])], sequence_id=4711, **place
            )
        found = [answers.get(timeout=60) for _ in starts]
        client.stop_stream()
    assert [error for _, error in found if error is not None] == []
    assert sum(result.as_numpy("event").size for result, _ in found) == 6


def test_errors_that_would_end_triton_by_their_header_do_not_behind_the_edge(stack: Stack) -> None:
    """The header is taken off: the error comes as Triton's text, and the stream goes on."""
    told: queue.Queue[tuple[grpcclient.InferResult, InferenceServerException | None]] = queue.Queue()
    text = grpcclient.InferInput("audio", [1], "BYTES")
    text.set_data_from_numpy(np.array([b"a text file, and no sound in it"], dtype=object))
    before = started(stack)
    for _ in range(100):
        with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:
            client.start_stream(
                lambda result, error: told.put((result, error)), headers={"triton_grpc_error": "true"}
            )
            for _ in range(10):
                client.async_stream_infer("transcription_stream", [text])
            for _ in range(10):
                _, error = told.get(timeout=60)
                assert "audio is text" in str(error) and error.status() is None
            client.stop_stream()
    assert started(stack) == before


def started(stack: Stack) -> list[str]:
    return [inspect(one)["State"]["StartedAt"] for one in stack.containers()]


def tensor(samples: np.ndarray) -> grpcclient.InferInput:
    made = grpcclient.InferInput("waveform", [samples.size], "FP32")
    made.set_data_from_numpy(samples)
    return made


def test_single_calls_without_the_header_are_told_that_the_sequence_is_not_known(stack: Stack) -> None:
    silence = [tensor(np.zeros(512, np.float32))]
    with grpcclient.InferenceServerClient(f"localhost:{stack.grpc}") as client:
        client.infer("vad_stream", silence, sequence_id=4712, sequence_start=True)
        with pytest.raises(InferenceServerException, match="must specify the START flag"):
            for _ in range(4):
                client.infer("vad_stream", silence, sequence_id=4712)


def test_a_stream_ends_with_its_replica_and_the_next_one_is_answered(stack: Stack, url: str) -> None:
    silence = np.zeros(512, np.float32)
    with Client(url) as client:
        before = executed(stack, "vad_stream")
        stream = client.vad_stream()
        stream.send(silence)
        chunks = [now - then for now, then in zip(executed(stack, "vad_stream"), before, strict=True)]
        assert sorted(chunks) == [0, 1]
        container = stack.containers()[chunks.index(1)]
        docker("stop", "--time", "50", container)
        try:
            with pytest.raises(CallError, match="must specify the START flag"):
                stream.send(silence)
            assert len(heard(client)) == 3
        finally:
            docker("start", container)
            stack.await_ready(2)


def test_segments_come_while_the_recording_is_still_worked_on(url: str) -> None:
    with Client(url) as client:
        segments = client.transcribe_stream(long_recording())
        first = next(segments)
        rest = list(segments)
    assert first.transcribed_s < 60 < 480 < rest[-1].transcribed_s


def test_a_caller_who_leaves_ends_the_work_behind_the_edge(stack: Stack, url: str) -> None:
    """The replica's encoder stops, with most of the recording still to do."""
    slowly = {"beam_size": 5, "min_new_tokens": 120}
    with Client(url) as client:
        before = sum(executed(stack, "whisper_encoder"))
        segments = client.transcribe_stream(long_recording(), **slowly)
        next(segments)
        segments.close()  # over HTTP the edge notices it at the next segment
        left = settled(stack, "whisper_encoder")
        list(client.transcribe_stream(long_recording(), **slowly))
        done, whole = left - before, sum(executed(stack, "whisper_encoder")) - left
        assert whole > (1 if url.startswith("http") else 2) * done, "nothing was left to do"


def settled(stack: Stack, model: str, quiet_s: float = 8, timeout_s: float = 240) -> float:
    """How many inferences a model has made when it makes no more of them."""
    count, since = sum(executed(stack, model)), time.monotonic()
    deadline = since + timeout_s
    while time.monotonic() - since < quiet_s:
        assert time.monotonic() < deadline, f"{model} never stops"
        time.sleep(0.5)
        now = sum(executed(stack, model))
        if now != count:
            count, since = now, time.monotonic()
    return count


def long_recording() -> bytes:
    """A WAV file of some nine minutes of digits and pauses: many windows of the encoder."""
    sound = waveform(RECORDING.read_bytes())
    file = io.BytesIO()
    soundfile.write(file, np.tile(sound, int(np.ceil(540 * 16_000 / sound.size))), 16_000, format="WAV")
    return file.getvalue()
