"""The transcription pipelines in a real Triton, over members that are plain arithmetic: wires, batches, cancelling."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from tests.server.speech_toys import write_speech_tree
from tests.unit.speech_members import recording
from tests.unit.test_transcription import random_words, wav
from tritonzoo import AsyncClient, Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.errors import InvalidInputError

WORDS = [(start, end, number % 90 + 1) for start, end, number in random_words(7, 100)]
RECORDING = recording(WORDS, 100)
TEXT = " ".join(str(number) for _, _, number in WORDS)
SLOW = np.where(RECORDING > 0, 0.999, 0).astype(np.float32)  # every window takes the decoder two seconds


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    root = write_speech_tree(tmp_path_factory.mktemp("speech"))
    with EmbeddedTriton(ServeOptions(root=root, ports=Ports.free())) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def client(request, toys) -> Iterator[Client]:
    with Client({"grpc": toys.grpc_url, "http": toys.http_url}[request.param]) as client:
        yield client


def test_the_transcript_is_the_same_whole_and_as_a_stream(client):
    whole = client.transcribe(RECORDING)
    assert whole.text == TEXT
    assert "".join(word.text for word in whole.words).split() == TEXT.split()
    streamed = list(client.transcribe_stream(RECORDING))
    assert [(s.text, s.start_s, s.words) for s in streamed] == [
        (s.text, s.start_s, s.words) for s in whole.segments
    ]
    assert streamed[-1].read_s == whole.duration_s == 100


def test_a_file_gives_what_its_samples_give(client, tmp_path):
    path = tmp_path / "recording.wav"
    path.write_bytes(wav(RECORDING))
    assert client.transcribe(path).text == TEXT
    assert "".join(segment.text for segment in client.transcribe_stream(path)).strip() == TEXT


def test_ten_minutes_of_silence_is_an_empty_transcript(client):
    assert client.transcribe(np.zeros(16_000 * 600, np.float32)).segments == ()
    assert list(client.transcribe_stream(np.zeros(16_000, np.float32))) == []


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((b"dear diary: not a sound all day!",), {}, "audio is text"),
        ((np.array([np.nan], np.float32),), {}, "finite"),
        ((RECORDING,), {"langauge": "en"}, "did you mean language"),
        ((RECORDING,), {"window_s": 100.5}, "window_s is '100.5'; it must be a number from 5 to 29"),
    ],
)
def test_a_mistake_is_the_same_sentence_on_every_way(client, arguments, options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        client.transcribe(*arguments, **options)
    with pytest.raises(InvalidInputError, match=sentence):
        list(client.transcribe_stream(*arguments, **options))


def test_curl_takes_base64_and_options_as_json(toys):
    body = {"audio": base64.b64encode(wav(RECORDING)).decode(), "no_speech_threshold": 0.7, "vad": True}
    request = urllib.request.Request(
        f"{toys.http_url}/v2/models/ensemble_transcription/generate",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["text"] == TEXT


async def test_async_streams_run_side_by_side(toys):
    async with AsyncClient(toys.grpc_url) as client:

        async def text() -> str:
            return "".join([segment.text async for segment in client.transcribe_stream(RECORDING)])

        assert set(await asyncio.gather(*(text() for _ in range(8)))) == {" " + TEXT}


def counts(toys: EmbeddedTriton, model: str) -> tuple[int, int]:
    client = grpcclient.InferenceServerClient(toys.grpc_url)
    stats = client.get_inference_statistics(model).model_stats[0]
    return stats.inference_count, stats.execution_count


def test_windows_of_many_clients_share_executions(toys):
    before = counts(toys, "whisper_encoder")
    with ThreadPoolExecutor(16) as pool, Client(toys.grpc_url) as client:
        texts = list(pool.map(lambda _: client.transcribe(RECORDING, language="en").text, range(32)))
    assert set(texts) == {TEXT}
    after = counts(toys, "whisper_encoder")
    windows, executions = after[0] - before[0], after[1] - before[1]
    assert windows >= 32 * 2
    assert executions < windows


def until(condition: Callable[[], bool], timeout_s: float = 60) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < timeout_s
        time.sleep(0.005)
    return time.monotonic() - begin


def test_closing_a_stream_frees_the_decoder(client, toys):
    def gave_way() -> int:
        return toys.log_file.read_text().count("a window gave way")

    quick = recording([(second, second + 0.8, 5) for second in range(20)], 20)
    quick_then_slow = np.concatenate([quick, SLOW])
    before = gave_way()
    segments = client.transcribe_stream(quick_then_slow, language="en", window_s=20)
    next(segments)
    time.sleep(0.5)  # the slow windows are in the decoder now
    segments.close()
    print(f"gave way after {until(lambda: gave_way() > before):.3f} s")  # nothing else makes one give way


def test_a_hundred_streams_one_after_another_work(client):
    short = recording([(0.5, 1, 7), (1.2, 1.6, 8)], 2)
    for _ in range(100):
        (segment,) = client.transcribe_stream(short)
        assert segment.text == " 7 8"


def test_many_hundred_streams_that_end_with_an_error_harm_nobody(toys):
    """Told with their kind (triton_grpc_error), one in 300 to 900 of them ends Triton 2.51 with SIGSEGV."""

    def refused(_: int) -> None:
        with Client(toys.grpc_url) as client:
            for _ in range(300):
                with pytest.raises(InvalidInputError, match="audio is text"):
                    list(client.transcribe_stream(b"a text file, and no sound in it"))

    with ThreadPoolExecutor(4) as pool, Client(toys.grpc_url) as client:
        running = [pool.submit(refused, number) for number in range(4)]
        while not all(each.done() for each in running):
            assert client.transcribe(RECORDING, language="en").text == TEXT
        for each in running:
            each.result()


def test_a_hundred_streams_that_are_each_left_early_work_and_leave_nothing_pending(client, toys):
    quick_then_slow = [(second, second + 0.8, 7 if second < 5 else 100) for second in range(15)]
    waveform = recording(quick_then_slow, 15)
    for _ in range(100):
        segments = client.transcribe_stream(waveform, language="en", window_s=5)
        assert next(segments).text.startswith(" 7 7")
        segments.close()
    print(f"nothing pending after {until(lambda: is_at_rest(toys), 20):.3f} s")
    assert client.transcribe(RECORDING).text == TEXT


def is_at_rest(toys: EmbeddedTriton) -> bool:
    """For half a second no request waits, no stream has a round, and no slow window is in the decoder."""
    rounds = counts(toys, "transcription_stream")
    time.sleep(0.5)
    log = toys.log_file.read_text()
    left = log.count("a window gave way") + log.count("a window held out")
    is_idle = log.count("a slow window came") == left and counts(toys, "transcription_stream") == rounds
    return is_idle and not waiting(toys)


def waiting(toys: EmbeddedTriton) -> list[str]:
    """What Triton's metrics say of each model that requests wait for."""
    with urllib.request.urlopen(toys.metrics_url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    gauges = [line for line in lines if line.startswith("nv_inference_pending_request_count{")]
    assert gauges
    return [line for line in gauges if float(line.rsplit(" ", 1)[1])]


def test_many_streams_that_are_left_do_no_harm(client):
    minute = RECORDING[: 60 * 16_000]
    for _ in range(50):
        segments = client.transcribe_stream(minute, language="en")
        next(segments)
        segments.close()
    assert client.transcribe(RECORDING).text == TEXT


def test_hundreds_of_short_recordings_end_while_their_callers_are_watched(toys):
    """Asking Triton about a request that has just been answered would end the whole server."""
    short = recording([(0.2, 0.5, 7)], 0.6)
    with ThreadPoolExecutor(32) as pool, Client(toys.grpc_url) as client:
        texts = list(pool.map(lambda _: client.transcribe(short, language="en").text, range(600)))
    assert set(texts) == {"7"}
