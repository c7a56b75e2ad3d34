"""Voice activity over a real Triton, beside the silero-vad package on the same sound."""

from __future__ import annotations

import base64
import io
import json
import math
import queue
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tritonclient.grpc as grpc

from tritonzoo import AsyncClient, Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.errors import InvalidInputError, TimedOutError
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "data_samples" / "ensemble_vad").iterdir() if path.suffix != ".md")

# What a caller may set, each far from its default, and several together.
SETTINGS: list[dict[str, float | bool]] = [
    {},
    {"threshold": 0.3},
    {"threshold": 0.8},
    {"threshold": 0.6, "neg_threshold": 0.1},
    {"min_speech_duration_ms": 0},
    {"min_speech_duration_ms": 1_500},
    {"min_silence_duration_ms": 0},
    {"min_silence_duration_ms": 1_000},
    {"speech_pad_ms": 0},
    {"speech_pad_ms": 400},
    {"max_speech_duration_s": 1.0},
    {"max_speech_duration_s": 1.5, "use_max_poss_sil_at_max_speech": False},
    {"max_speech_duration_s": 2.0, "min_silence_at_max_speech_ms": 32},
    {
        "max_speech_duration_s": 0.7,
        "min_silence_at_max_speech_ms": 0,
        "use_max_poss_sil_at_max_speech": False,
    },
    {"threshold": 0.4, "min_silence_duration_ms": 40, "speech_pad_ms": 100, "min_speech_duration_ms": 60},
    {"threshold": 0.9, "max_speech_duration_s": 0.9, "speech_pad_ms": 7, "min_silence_duration_ms": 33},
]


@pytest.fixture(scope="module")
def vad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    """A server of what this file is about alone."""
    folder = tmp_path_factory.mktemp("vad")
    names = ("ensemble_vad", "vad_stream", "audio_waveform")
    server = EmbeddedTriton(ServeOptions(ROOT, Ports.free(), names, log_file=folder / "triton.log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        server.start()
    with server:
        yield server


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    """Every sample, and last all of them in a row, forwards and backwards: talk, noise, pauses; 16 kHz."""
    known = [waveform(path.read_bytes()) for path in FILES]
    return [*known, np.concatenate([*known, *(sound[::-1] for sound in known)])]


@pytest.fixture(scope="module")
def reference(sounds):
    """silero-vad's own model and functions; what it says of each of `sounds`, by place."""
    silero_vad = pytest.importorskip(
        "silero_vad", reason="silero-vad is not installed; pip install -e '.[dev]'"
    )
    import torch

    model = silero_vad.load_silero_vad(onnx=True)

    class Reference:
        def __init__(self) -> None:
            self.probabilities = [
                model.audio_forward(torch.from_numpy(sound[None]), SAMPLE_RATE_HZ).numpy()[0]
                for sound in sounds
            ]

        def segments(self, place: int, setting: dict) -> list[tuple[int, int]]:
            found = silero_vad.get_speech_timestamps_from_probs(
                self.probabilities[place].tolist(),
                audio_length_samples=sounds[place].size,
                **{name.replace("max_speech_ms", "max_speech"): value for name, value in setting.items()},
            )
            return [(each["start"], each["end"]) for each in found]

    return Reference()


def text(setting: dict[str, float | bool]) -> dict[str, str | bool]:
    """Triton carries no fractions in parameters, so they go as text."""
    return {name: value if isinstance(value, bool) else str(value) for name, value in setting.items()}


def samples_of(answer: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    pairs = zip(answer["segment_start_s"], answer["segment_end_s"], strict=True)
    return [(round(start * SAMPLE_RATE_HZ), round(end * SAMPLE_RATE_HZ)) for start, end in pairs]


def test_probabilities_are_the_packages(vad, sounds, reference) -> None:
    with Client(vad.grpc_url) as client:
        for sound, expected in zip(sounds, reference.probabilities, strict=True):
            found = client.infer("ensemble_vad", {"waveform": sound})["speech_probability"]
            assert found.shape == (math.ceil(sound.size / 512),)
            assert np.abs(found - expected).max() <= 1e-4
            assert expected.min() < 0.1
            assert expected.max() > 0.9


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: " ".join(setting) or "defaults")
def test_segments_are_the_packages_to_the_sample(vad, sounds, reference, setting) -> None:
    found, expected = [], []
    with Client(vad.grpc_url) as client:
        for place, sound in enumerate(sounds):
            found.append(samples_of(client.infer("ensemble_vad", {"waveform": sound}, text(setting))))
            expected.append(reference.segments(place, setting))

    assert found == expected
    assert len(expected[-1]) > 5


def test_thirty_two_clients_at_once_get_what_each_gets_alone(vad, sounds) -> None:
    requests = [(sounds[index % len(sounds)], SETTINGS[index % len(SETTINGS)]) for index in range(32)]

    def ask(request) -> dict[str, np.ndarray]:
        sound, setting = request
        with Client(vad.grpc_url) as client:
            return client.infer("ensemble_vad", {"waveform": sound}, text(setting))

    alone = [ask(request) for request in requests]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(ask, requests))

    for one, other in zip(alone, together, strict=True):
        assert samples_of(one) == samples_of(other)
        assert np.array_equal(one["speech_probability"], other["speech_probability"])


def test_a_file_and_its_samples_and_its_base64_are_answered_alike(vad) -> None:
    content = (ROOT / "data_samples" / "ensemble_vad" / "pauses.flac").read_bytes()
    body = json.dumps({"audio": base64.b64encode(content).decode()}).encode()
    posted = urllib.request.Request(
        f"{vad.http_url}/v2/models/ensemble_vad/generate", body, {"Content-Type": "application/json"}
    )
    with Client(vad.grpc_url) as client:
        by_file = client.infer("ensemble_vad", {"audio": content})
        by_samples = client.infer("ensemble_vad", {"waveform": waveform(content)})
        decoded = client.infer("audio_waveform", {"audio": content})["waveform"]
    with urllib.request.urlopen(posted, timeout=30) as response:
        generated = json.load(response)

    assert samples_of(by_file) == samples_of(by_samples)
    assert len(by_file["segment_start_s"]) == 3
    assert generated["segment_start_s"] == by_file["segment_start_s"].tolist()
    assert np.array_equal(decoded, waveform(content))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_silence_has_no_segments(vad, protocol) -> None:
    with Client(getattr(vad, f"{protocol}_url")) as client:
        answer = client.infer("ensemble_vad", {"waveform": np.zeros(16_000, np.float32)})

    assert answer["segment_start_s"].shape == (0,)
    assert answer["speech_probability"].shape == (32,)


def test_a_bad_recording_is_one_sentence_and_costs_nobody_else(vad, sounds) -> None:
    good = sounds[0]
    wav = next(path for path in FILES if path.suffix == ".wav").read_bytes()
    bad: list[tuple[dict, dict, str]] = [
        ({"audio": b""}, {}, "audio is empty"),
        ({"audio": b"Dear sir, where is my recording?"}, {}, r"audio is text \(32 bytes\).*send a WAV"),
        ({"audio": wav[:20]}, {}, "damaged or ends too early"),
        ({"waveform": np.array([0, np.nan], np.float32)}, {}, r"waveform holds nan at 0.000 s"),
        ({"waveform": np.empty(0, np.float32)}, {}, "waveform is empty"),
        ({"waveform": np.full(9, 8_000, np.float32)}, {}, "divide 16-bit integers by 32768"),
        ({"waveform": good, "audio": wav}, {}, "both audio and waveform"),
        (
            {"waveform": good},
            {"threshold": "2"},
            "parameter threshold is '2'; it must be a number from 0 to 1",
        ),
        ({"waveform": good}, {"treshold": "0.5"}, "did you mean threshold"),
    ]
    with Client(vad.grpc_url) as client, ThreadPoolExecutor(1) as other:
        expected = client.infer("ensemble_vad", {"waveform": good})
        for inputs, parameters, sentence in bad:
            answered = other.submit(client.infer, "ensemble_vad", {"waveform": good})
            with pytest.raises(InvalidInputError, match=sentence):
                client.infer("ensemble_vad", inputs, parameters)
            assert samples_of(answered.result()) == samples_of(expected)


class Stream:
    """One gRPC stream to `vad_stream`; chunks are sent without waiting for answers."""

    def __init__(self, url: str, sequence: int | str) -> None:
        self._client = grpc.InferenceServerClient(url)
        self._answers: queue.Queue = queue.Queue()
        self._sequence = sequence
        self._sent = 0
        self._client.start_stream(lambda result, error: self._answers.put((result, error)))

    def send(self, chunk: np.ndarray, *, last: bool = False, parameters: dict | None = None) -> None:
        tensor = grpc.InferInput("waveform", list(chunk.shape), "FP32")
        tensor.set_data_from_numpy(chunk)
        self._client.async_stream_infer(
            "vad_stream",
            [tensor],
            sequence_id=self._sequence,
            sequence_start=self._sent == 0,
            sequence_end=last,
            parameters=parameters,
        )
        self._sent += 1

    def answers(self) -> list[dict[str, np.ndarray]]:
        """What came to all that was sent."""
        found = []
        while self._sent:
            result, error = self._answers.get(timeout=60)
            self._sent -= 1
            if error is not None:
                raise error
            found.append({name: result.as_numpy(name) for name in ("event", "event_s", "speech_probability")})
        self._client.stop_stream()
        self._client.close()
        return found


def events_of(answers: list[dict[str, np.ndarray]]) -> list[tuple[str, int]]:
    return [
        (kind.decode(), round(time_s * SAMPLE_RATE_HZ))
        for answer in answers
        for kind, time_s in zip(answer["event"], answer["event_s"], strict=True)
    ]


def test_streams_side_by_side_say_what_the_whole_recording_says(vad, sounds) -> None:
    rng = np.random.default_rng(0)
    settings = [SETTINGS[index % len(SETTINGS)] for index in range(len(sounds))]
    streams = [
        Stream(vad.grpc_url.removeprefix("grpc://"), f"stream {index}") for index in range(len(sounds))
    ]
    places = [0] * len(sounds)
    for index in range(len(sounds)):  # also a stream that begins with nothing
        streams[index].send(sounds[index][:0], parameters=text(settings[index]))
    while any(place < sound.size for place, sound in zip(places, sounds, strict=True)):
        for index, sound in enumerate(sounds):
            if places[index] < sound.size:
                end = places[index] + int(rng.integers(1, 9_000))
                streams[index].send(sound[places[index] : end], last=end >= sound.size)
                places[index] = end

    with Client(vad.grpc_url) as client:
        for stream, sound, setting in zip(streams, sounds, settings, strict=True):
            answers = stream.answers()
            whole = client.infer("ensemble_vad", {"waveform": sound}, text(setting))
            edges = [edge for start, end in samples_of(whole) for edge in (("start", start), ("end", end))]
            assert events_of(answers) == edges
            probabilities = np.concatenate([answer["speech_probability"] for answer in answers])
            assert np.abs(probabilities - whole["speech_probability"]).max() <= 1e-4


def test_a_stream_at_another_rate_has_the_same_times(vad) -> None:
    import soxr

    sound = waveform((ROOT / "data_samples" / "ensemble_vad" / "pauses.flac").read_bytes())
    faster = soxr.resample(sound, SAMPLE_RATE_HZ, 48_000)
    streams = [Stream(vad.grpc_url.removeprefix("grpc://"), 11 + index) for index in range(2)]
    streams[0].send(sound, last=True)
    for start in range(0, faster.size, 960):  # 20 ms, as a browser sends them
        last = start + 960 >= faster.size
        streams[1].send(faster[start : start + 960], last=last, parameters={"sample_rate_hz": 48_000})
    slow, fast = (events_of(stream.answers()) for stream in streams)

    assert len(slow) == 6
    assert [kind for kind, _ in slow] == [kind for kind, _ in fast]
    assert all(abs(one - other) <= 512 for (_, one), (_, other) in zip(slow, fast, strict=True))


def test_a_chunk_that_is_refused_is_not_counted(vad, sounds) -> None:
    sound = sounds[0]
    url = vad.grpc_url.removeprefix("grpc://")
    with Client(vad.grpc_url) as client:
        whole = client.infer("ensemble_vad", {"waveform": sound})
    stream = Stream(url, 77)
    stream.send(sound[:9_000])
    stream.send(np.full(100, np.nan, np.float32))
    stream.send(sound[9_000:], last=True)
    answered, refused = [], []
    for _ in range(3):
        result, error = stream._answers.get(timeout=60)
        (refused if error else answered).append(error or result)

    assert len(refused) == 1
    assert "waveform holds nan at 0.562 s" in str(refused[0])
    probabilities = np.concatenate([result.as_numpy("speech_probability") for result in answered])
    assert np.abs(probabilities - whole["speech_probability"]).max() <= 1e-4


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_typed_calls_agree_for_a_path_bytes_and_samples_and_as_a_stream(vad, protocol) -> None:
    path = ROOT / "data_samples" / "ensemble_vad" / "pauses.flac"
    sound = waveform(path.read_bytes())
    with Client(getattr(vad, f"{protocol}_url")) as client:
        found = client.vad(path, threshold=0.6, speech_pad_ms=50)
        assert found == client.vad(path.read_bytes(), threshold=0.6, speech_pad_ms=50)
        assert found == client.vad(sound, threshold=0.6, speech_pad_ms=50)
        with client.vad_stream(threshold=0.6, speech_pad_ms=50) as stream:
            events = [
                event
                for start in range(0, sound.size, 4_000)
                for event in stream.send(sound[start : start + 4_000])
            ]
            events += stream.finish()

    assert len(found.segments) == 3
    assert 6 < found.speech_s < 8
    assert [event.time_s for event in events if event.kind == "start"] == [
        each.start_s for each in found.segments
    ]
    assert [event.time_s for event in events if event.kind == "end"] == [
        each.end_s for each in found.segments
    ]


async def test_the_asynchronous_calls_are_the_same(vad) -> None:
    path = ROOT / "data_samples" / "ensemble_vad" / "telephone.wav"
    async with AsyncClient(vad.grpc_url) as client:
        found = await client.vad(path)
        async with client.vad_stream() as stream:
            events = await stream.send(waveform(path.read_bytes()))
            events += await stream.finish()

    assert [event.time_s for event in events] == [found.segments[0].start_s, found.segments[0].end_s]


def test_a_stream_that_its_caller_leaves_is_over_on_the_server(vad) -> None:
    with Client(vad.grpc_url) as client, client.vad_stream() as stream:
        stream.send(np.zeros(1_000, np.float32))
    with (
        pytest.raises(InvalidInputError, match="begin another one with vad_stream"),
        Client(vad.grpc_url) as client,
    ):
        stream.send(np.zeros(1_000, np.float32))


def test_nobody_hears_the_rest_of_a_recording_whose_caller_has_gone(vad) -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", SAMPLE_RATE_HZ, 1, format="FLAC") as flac:
        for _ in range(240):  # 4 hours of silence are 450 calls of silero_vad
            flac.write(np.zeros(60 * SAMPLE_RATE_HZ, np.int16))

    before = calls_of(vad, "silero_vad")
    with pytest.raises(TimedOutError), Client(vad.grpc_url, timeout_s=1) as client:
        client.vad(file.getvalue())
    time.sleep(2)  # the block at hand is finished
    after = calls_of(vad, "silero_vad")
    time.sleep(2)

    assert calls_of(vad, "silero_vad") == after
    assert after - before < 400


def calls_of(vad: EmbeddedTriton, model: str) -> int:
    """How often a model was executed so far, by Triton's own metrics."""
    with urllib.request.urlopen(vad.metrics_url, timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith(f'nv_inference_exec_count{{model="{model}"')
    )
