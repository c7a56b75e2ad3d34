"""`transcribe` and `transcribe_stream` of both clients, and what their answers are written as."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
import pytest
import soundfile
from tritonclient.utils import InferenceServerException

from tests.unit.speech_pipelines import RECORDING, fake, streamed
from tritonzoo import AsyncClient, Client
from tritonzoo.client import Segment, Transcription, Word
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.failures import call_error
from tritonzoo.client.streaming import grpc_answers
from tritonzoo.errors import InvalidInputError, NotFoundError, ServerFaultError, UnavailableError


def segment(text: str, start_s: float, end_s: float, *words: Word) -> Segment:
    return Segment(text, start_s, end_s, 0.9, words, 0.01, -0.1, 1.2, 0.0, "stop")


WORDS = (Word(" Seven", 0.5, 0.9, 0.9871234), Word(" three", 1.0, 1.4, 0.5))
TRANSCRIPT = Transcription(
    "Seven three & <nine> --> x", "en", 0.99, 3700.0,
    (segment(" Seven three", 0.5, 1.4, *WORDS), segment(" & <nine>\n--> x", 3661.0014, 3662.9996)),
)  # fmt: skip


def test_a_transcript_is_typed_and_its_words_are_in_their_segments():
    transport = fake()
    transcript = Client(transport=transport).transcribe(RECORDING)
    assert transcript.text == "seven three nine"
    assert (transcript.language, transcript.duration_s) == ("en", 3.0)
    assert [segment.text for segment in transcript.segments] == [" seven three", " nine"]
    assert [[word.text for word in segment.words] for segment in transcript.segments] == [
        [" seven", " three"],
        [" nine"],
    ]
    assert transcript.words[2] == Word(" nine", 2.0, 2.5, pytest.approx(0.8))
    assert transcript.dropped[0].reason == "silence"


def test_options_become_request_parameters():
    transport = fake()
    Client(transport=transport).transcribe(
        RECORDING,
        language="de",
        task="translate",
        word_timestamps=False,
        temperatures=(0.0, 0.4),
        window_s=12.5,
    )
    assert transport.parameters == [
        {
            "language": "de", "task": "translate", "word_timestamps": False, "vad": True,
            "temperatures": "0.0,0.4", "window_s": "12.5",
        }
    ]  # fmt: skip


def test_a_path_bytes_and_samples_reach_the_pipeline(tmp_path):
    transport = fake()
    client = Client(transport=transport)
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3 sound")
    samples = np.linspace(-1, 1, 7)
    for source in (path, str(path), b"ID3 sound", samples, (samples * 32767).astype(np.int16)):
        client.transcribe(source)
    sent = [inputs for _, inputs in transport.requests]
    assert [inputs["audio"].tolist() for inputs in sent[:3]] == [[b"ID3 sound"]] * 3
    assert sent[3]["waveform"].dtype == np.float32
    np.testing.assert_allclose(sent[3]["waveform"], samples, atol=1e-7)
    np.testing.assert_allclose(sent[4]["waveform"], samples, atol=1e-4)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.zeros((2, 100)), r"shape \[2, 100\]; average its channels"),
        (np.zeros(100, np.int32), "these are int32; convert them"),
        ("nowhere.wav", "there is no file 'nowhere.wav'"),
        (7, "a file must be a path or its bytes"),
    ],
)
def test_what_is_no_recording_is_refused_before_anything_is_sent(source, sentence):
    transport = fake()
    client = Client(transport=transport)
    with pytest.raises(InvalidInputError, match=sentence):
        client.transcribe(source)
    with pytest.raises(InvalidInputError, match=sentence):
        list(client.transcribe_stream(source))
    assert transport.requests == []


def test_a_stream_gives_segments_one_by_one_and_sends_samples_as_an_exact_file():
    transport = fake()
    samples = np.array([0.1, -0.25, 1.0], np.float32)
    segments = list(Client(transport=transport).transcribe_stream(samples, word_timestamps=False))
    assert [segment.text for segment in segments] == [" seven three", " nine"]
    assert [segment.transcribed_s for segment in segments] == [1.5, 3.0]
    (content,) = transport.requests[0][1]["audio"]
    read, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32")
    assert (read.tolist(), rate_hz) == (samples.tolist(), 16_000)


def test_a_stream_that_is_left_is_closed_on_the_server():
    transport = fake()
    segments = Client(transport=transport).transcribe_stream(RECORDING)
    next(segments)
    segments.close()
    assert streamed.closed == 1


async def test_the_async_client_has_the_same_calls():
    async with AsyncClient(transport=fake()) as client:
        assert (await client.transcribe(RECORDING)).text == "seven three nine"
        assert [segment.text async for segment in client.transcribe_stream(RECORDING)] == [
            " seven three",
            " nine",
        ]


def test_a_stream_put_together_is_the_transcript():
    client = Client(transport=fake())
    whole = client.transcribe(RECORDING)
    together = Transcription.from_segments(client.transcribe_stream(RECORDING))
    assert (together.text, together.segments, together.duration_s) == (whole.text, whole.segments, 3.0)
    assert Transcription.from_segments([]).text == ""


def test_srt():
    assert TRANSCRIPT.to_srt() == (
        "1\n00:00:00,500 --> 00:00:01,400\nSeven three\n\n2\n01:01:01,001 --> 01:01:03,000\n& <nine> -> x\n\n"
    )


def test_vtt_escapes_what_would_be_markup():
    assert TRANSCRIPT.to_vtt() == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.400\nSeven three\n\n"
        "01:01:01.001 --> 01:01:03.000\n&amp; &lt;nine&gt; -&gt; x\n\n"
    )


def test_tsv_and_txt():
    assert (
        TRANSCRIPT.to_tsv() == "start\tend\ttext\n500\t1400\tSeven three\n3661001\t3663000\t& <nine> -> x\n"
    )
    assert TRANSCRIPT.to_txt() == "Seven three\n& <nine> -> x\n"


def test_json_has_everything_and_no_false_precision():
    told = json.loads(TRANSCRIPT.to_json())
    assert told["language"] == "en"
    assert told["segments"][1]["start_s"] == 3661.001
    assert told["segments"][0]["words"][0] == {
        "text": " Seven", "start_s": 0.5, "end_s": 0.9, "probability": 0.9871,
    }  # fmt: skip


def test_an_empty_transcript_is_a_valid_file_of_each_kind():
    empty = Transcription("", "", 0.0, 1.0, ())
    assert (empty.to_srt(), empty.to_txt(), empty.to_vtt()) == ("", "", "WEBVTT\n\n")
    assert json.loads(empty.to_json())["segments"] == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("audio is text, and no sound", InvalidInputError),
        ("internal error in transcription_stream; the server's log tells more under 1a2b", ServerFaultError),
        ("the caller cancelled the request", ServerFaultError),
        ("Request for unknown model: 'toy' is not found", NotFoundError),
        ("GRPC server is shutting down and has stopped accepting new requests.", UnavailableError),
        (
            "Failed to process the request(s) for model 'x_0_0', message: Stub process 'x_0_0' is not healthy.",
            ServerFaultError,
        ),
    ],
)
def test_a_stream_s_error_is_raised_at_its_end_by_whose_fault_it_is(said: str, kind: type[Exception]) -> None:
    ended = []

    class Stream:
        def __init__(self) -> None:
            self.answers = iter([(None, InferenceServerException(msg=said))])

        async def __anext__(self) -> tuple[None, InferenceServerException]:
            for answer in self.answers:
                return answer
            ended.append(True)
            raise StopAsyncIteration

        def cancel(self) -> None:
            assert ended, "it was cancelled before its end"

    class Grpc:
        def stream_infer(self, requests: object, headers: dict[str, str]) -> Stream:
            assert "triton_grpc_error" not in headers
            return Stream()

    async def ask() -> None:
        async for _ in grpc_answers(Grpc(), "toy", [], {}, {}, 5):
            pass

    with pytest.raises(InferenceServerException) as caught:
        asyncio.run(ask())
    assert type(call_error(caught.value, Endpoint.parse("localhost:8001", "grpc"), 5)) is kind
