"""Voice activity through the client, with no server: what is sent, what is made of the answer."""

from __future__ import annotations

import numpy as np
import pytest

from tritonzoo import Client
from tritonzoo.client import FakeTransport, Pipeline, Speech, SpeechEvent, Tensor
from tritonzoo.errors import InvalidInputError

VAD = Pipeline(
    "ensemble_vad",
    (Tensor("audio", "BYTES", (1,), True), Tensor("waveform", "FP32", (-1,), True)),
    tuple(Tensor(name, "FP32", (-1,)) for name in ("segment_start_s", "segment_end_s", "speech_probability")),
    max_batch_size=0,
)
STREAM = Pipeline("vad_stream", (Tensor("waveform", "FP32", (-1,)),), (), max_batch_size=0, is_ensemble=False)


def some_speech(inputs):
    return {
        "segment_start_s": np.array([0.5, 2.0]),
        "segment_end_s": np.array([1.0, 2.25]),
        "speech_probability": np.array([0.1, 0.9], np.float32),
    }


def a_start(inputs):
    heard = inputs["waveform"].size > 0
    return {"event": np.array([b"start"] * heard, object), "event_s": np.array([1.5] * heard)}


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport({VAD: some_speech, STREAM: a_start})


def test_the_answer_is_segments_and_probabilities(transport: FakeTransport) -> None:
    found = Client(transport=transport).vad(b"RIFF")

    assert found.segments == (Speech(0.5, 1.0), Speech(2.0, 2.25))
    assert found.speech_s == 0.75
    assert found.probabilities.shape == (2,)
    ((_, inputs),) = transport.requests
    assert inputs["audio"].tolist() == [b"RIFF"]


def test_options_go_as_text_because_triton_carries_no_fractions(transport: FakeTransport) -> None:
    Client(transport=transport).vad(np.zeros(4), threshold=0.6, use_max_poss_sil_at_max_speech=False)

    assert transport.parameters == [{"threshold": "0.6", "use_max_poss_sil_at_max_speech": False}]
    assert transport.requests[0][1]["waveform"].dtype == np.float32


def test_integers_of_16_bits_become_floats(transport: FakeTransport) -> None:
    Client(transport=transport).vad(np.array([-32_768, 16_384], np.int16))

    assert transport.requests[0][1]["waveform"].tolist() == [-1.0, 0.5]


def test_a_stream_is_one_sequence_whose_first_chunk_brings_the_options(transport: FakeTransport) -> None:
    with Client(transport=transport).vad_stream(sample_rate_hz=48_000, threshold=0.4) as stream:
        assert stream.send(np.zeros(10, np.float32)) == [SpeechEvent("start", 1.5)]
        stream.send(np.zeros(10, np.float32))

    assert transport.parameters == [{"sample_rate_hz": 48_000, "threshold": "0.4"}, {}, {}]
    first, second, last = transport.sequences
    assert first.id == second.id == last.id
    assert [(place.starts, place.ends) for place in (first, second, last)] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert transport.requests[-1][1]["waveform"].size == 0


def test_two_streams_are_two_sequences(transport: FakeTransport) -> None:
    client = Client(transport=transport)
    for _ in range(2):
        client.vad_stream().send(np.zeros(10, np.float32))

    assert len({place.id for place in transport.sequences}) == 2


def test_a_stream_that_nothing_was_sent_to_needs_no_end(transport: FakeTransport) -> None:
    with Client(transport=transport).vad_stream():
        pass
    assert transport.requests == []


def test_a_file_is_no_chunk_of_a_stream(transport: FakeTransport) -> None:
    with pytest.raises(InvalidInputError, match=r"takes samples in a NumPy array; use vad\(\) for a file"):
        Client(transport=transport).vad_stream().send(b"RIFF")
