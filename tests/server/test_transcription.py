"""The transcription pipelines with the starter's weights: digits written down, at their times, for many at once."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import tritonclient.grpc as grpcclient

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.errors import InvalidInputError
from tritonzoo.transcribe import TranscribeOptions, transcribe

SAMPLES = Path(__file__).parents[2] / "data_samples" / "ensemble_transcription"
SAID = {
    "clean.flac": "seven three nine zero four",
    "noisy.mp3": "five five two one eight six",
    "pauses.opus": "one two three four five nine eight seven six two zero four two three one eight",
}


@pytest.fixture(params=["grpc", "http"])
def client(request, triton):
    with Client({"grpc": triton.grpc_url, "http": triton.http_url}[request.param], timeout_s=300) as client:
        yield client


def words(text: str) -> str:
    return " ".join(re.findall("[a-z]+", text.lower()))


def samples_of(name: str) -> np.ndarray:
    audio, rate_hz = soundfile.read(SAMPLES / name, dtype="float32")
    return soxr.resample(audio, rate_hz, 16_000).astype(np.float32)


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("vad", [True, False])
def test_what_is_said_is_written(client, name, vad):
    transcript = client.transcribe(SAMPLES / name, vad=vad, language="en")
    assert words(transcript.text) == SAID[name]
    assert words("".join(word.text for word in transcript.words)) == SAID[name]
    assert transcript.stop_reason == "stop"


def test_each_digit_starts_where_it_is_heard(client):
    audio = samples_of("clean.flac")
    transcript = client.transcribe(audio, language="en")
    frames = np.abs(audio[: len(audio) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.02
    for word in transcript.words:
        assert frames[round(word.start_s * 100) : round(word.end_s * 100)].mean() > 0.5, word
    first = np.argmax(frames) / 100
    assert abs(transcript.words[0].start_s - first) < 0.2


def test_a_stream_gives_the_same_segments(client):
    whole = client.transcribe(SAMPLES / "pauses.opus", language="en")
    streamed = list(client.transcribe_stream(SAMPLES / "pauses.opus", language="en"))
    assert [segment.alone() for segment in streamed] == list(whole.segments)


def test_sixteen_clients_get_what_one_gets_and_share_executions(triton: EmbeddedTriton):
    statistics = grpcclient.InferenceServerClient(triton.grpc_url)

    def count(model: str) -> np.ndarray:
        stats = statistics.get_inference_statistics(model).model_stats[0]
        return np.array([stats.inference_count, stats.execution_count])

    models = ("whisper_encoder", "whisper_decoder")
    with Client(triton.grpc_url, timeout_s=300) as client, ThreadPoolExecutor(16) as pool:
        names = [*SAID] * 16
        alone = {name: client.transcribe(SAMPLES / name, language="en") for name in SAID}
        before = {model: count(model) for model in models}
        together = list(pool.map(lambda name: client.transcribe(SAMPLES / name, language="en"), names))
    assert [t.text for t in together] == [alone[name].text for name in names]
    assert [t.segments for t in together] == [alone[name].segments for name in names]
    for model in models:
        windows, executions = count(model) - before[model]
        assert executions < 0.6 * windows, f"{model}: {executions} executions of {windows} windows"


def test_different_wishes_at_the_same_time_do_not_mix(triton: EmbeddedTriton):
    wishes = [
        {"language": "en"},
        {"language": "en", "timestamps": False},
        {"language": "en", "vad": False},
        {"language": "en", "prompt": "seven eight"},
        {"language": "en", "beam_size": 2},
        {"word_timestamps": False},
    ]
    with Client(triton.grpc_url, timeout_s=300) as client, ThreadPoolExecutor(12) as pool:
        alone = [client.transcribe(SAMPLES / "clean.flac", **wish).text for wish in wishes]
        together = list(
            pool.map(lambda wish: client.transcribe(SAMPLES / "clean.flac", **wish).text, wishes * 3)
        )
    assert together == alone * 3


@pytest.mark.parametrize(
    ("audio", "sentence"),
    [
        (b"a text file, and no sound in it!\n", "audio is text"),
        (b"", "audio is empty"),
        ((SAMPLES / "clean.flac").read_bytes()[:2000], "audio"),
        (b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\2\0\x10\0data\0\0\0\0", "audio"),
        (np.array([0.0, np.nan], np.float32), "finite"),
        (np.zeros(0, np.float32), "is empty|not one sample"),
    ],
    ids=["text", "empty", "truncated", "0 Hz", "NaN", "no samples"],
)
def test_bad_audio_is_one_sentence_and_harms_nobody(client, audio, sentence):
    with ThreadPoolExecutor(2) as pool:
        good = pool.submit(client.transcribe, SAMPLES / "clean.flac", language="en")
        with pytest.raises(InvalidInputError, match=sentence):
            client.transcribe(audio)
        with pytest.raises(InvalidInputError, match=sentence):
            list(client.transcribe_stream(audio))
        assert words(good.result().text) == SAID["clean.flac"]


def test_silence_noise_and_one_sample_say_nothing(client):
    rng = np.random.default_rng(0)
    for audio in (
        np.zeros(1, np.float32),
        np.zeros(40 * 16_000, np.float32),
        (0.02 * rng.standard_normal(20 * 16_000)).astype(np.float32),
    ):
        assert client.transcribe(audio, language="en").text == ""


def test_a_closed_stream_leaves_the_decoder_long_before_its_windows_are_done(triton: EmbeddedTriton):
    statistics = grpcclient.InferenceServerClient(triton.grpc_url)

    def answered() -> int:
        return int(statistics.get_inference_statistics("whisper_decoder").model_stats[0].inference_count)

    recording = np.concatenate([samples_of("clean.flac"), np.zeros(8_000, np.float32)] * 60)
    with Client(triton.grpc_url, timeout_s=300) as client:
        # Far too many tokens of each window, so that they are all at work when the stream is closed.
        began = time.monotonic()
        segments = client.transcribe_stream(recording, language="en", min_new_tokens=400)
        next(segments)
        one_window_s = time.monotonic() - began
        segments.close()
        closed = last = time.monotonic()
        count = answered()
        while time.monotonic() - last < 1:
            if (now := answered()) != count:
                count, last = now, time.monotonic()
    print(f"left the decoder after {last - closed:.3f} s; a window takes {one_window_s:.1f} s")
    assert last - closed < one_window_s / 2


def test_the_command_writes_subtitles_and_goes_on_where_it_was(triton: EmbeddedTriton, tmp_path):
    options = TranscribeOptions(formats=("srt", "json"), output=tmp_path, language="en")
    assert transcribe([SAMPLES], options, url=triton.grpc_url)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{Path(n).stem}.{s}" for n in SAID for s in ("srt", "json")
    }
    text = (tmp_path / "clean.srt").read_text()
    assert words(re.sub(r"[\d:,]+|-->", "", text)) == SAID["clean.flac"]
    before = (tmp_path / "clean.srt").stat().st_mtime_ns
    (tmp_path / "noisy.srt").unlink()
    assert transcribe([SAMPLES], options, url=triton.grpc_url)
    assert (tmp_path / "clean.srt").stat().st_mtime_ns == before
    assert (tmp_path / "noisy.srt").is_file()
