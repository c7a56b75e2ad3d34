"""The models of voice activity as Triton would run them, with no server and a loudness meter for silero_vad."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

ROOT = Path(__file__).parents[2]
SECOND = 16_000
QUIET, TALK = np.zeros(SECOND, np.float32), np.full(SECOND, 0.9, np.float32)


def loudness(inputs, parameters):
    windows = inputs["waveform"].reshape(-1, 512)
    return {
        "speech_probability": np.abs(windows).max(axis=1),
        "next_context": windows[-1, -64:],
        "next_state": inputs["state"],
    }


@pytest.fixture(scope="module")
def vad() -> Iterator[LoadedModel]:
    with load_model(ROOT / "ensembles" / "ensemble_vad", calls={"silero_vad": loudness}) as loaded:
        yield loaded


@pytest.fixture
def stream() -> Iterator[LoadedModel]:
    with load_model(ROOT / "ensembles" / "vad_stream", calls={"silero_vad": loudness}) as loaded:
        yield loaded


def flac(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC")
    return np.array([file.getvalue()], object)


def test_times_are_those_of_the_recording_across_blocks(vad: LoadedModel) -> None:
    sound = np.concatenate(
        [np.tile(QUIET, 31), np.tile(TALK, 2), np.tile(QUIET, 40), TALK]
    )  # blocks are 32 s

    answer = vad.infer(waveform=sound)

    assert answer["segment_start_s"].dtype == np.float64
    np.testing.assert_allclose(answer["segment_start_s"], [31, 73], atol=0.07)
    np.testing.assert_allclose(answer["segment_end_s"], [33, 74], atol=0.07)
    assert answer["speech_probability"].shape == (74 * SECOND // 512 + 1,)


def test_a_file_at_another_rate_has_the_same_times(vad: LoadedModel) -> None:
    answer = vad.infer(audio=flac(np.repeat(np.concatenate([QUIET, TALK, QUIET]), 3), 3 * SECOND))

    np.testing.assert_allclose(answer["segment_start_s"], [1], atol=0.07)
    np.testing.assert_allclose(answer["segment_end_s"], [2], atol=0.07)


def test_parameters_are_the_callers_own(vad: LoadedModel) -> None:
    sound = np.concatenate([QUIET, 0.4 * TALK, QUIET])
    low = vad.request({"waveform": sound}, parameters={"threshold": "0.2"})
    wide = vad.request(
        {"waveform": np.concatenate([QUIET, TALK, QUIET])}, parameters={"speech_pad_ms": "500"}
    )
    unknown = vad.request({"waveform": sound}, parameters={"speach_pad_ms": "500"})

    first, second, third, fourth = vad.infer_batch([low, {"waveform": sound}, wide, unknown])

    assert len(first["segment_start_s"]) == 1
    assert len(second["segment_start_s"]) == 0
    np.testing.assert_allclose(second["segment_end_s"], [])
    np.testing.assert_allclose(third["segment_start_s"], [0.5], atol=0.07)
    assert isinstance(fourth, TritonRequestError)
    assert fourth.code == "INVALID_ARG"
    assert "did you mean speech_pad_ms" in fourth.message


def test_a_member_that_fails_is_not_the_callers_mistake() -> None:
    def broken(inputs, parameters):
        raise RuntimeError("out of memory")

    with (
        load_model(ROOT / "ensembles" / "ensemble_vad", calls={"silero_vad": broken}) as model,
        pytest.raises(TritonRequestError) as failure,
    ):
        model.infer(waveform=TALK)
    assert failure.value.code == "INTERNAL"


def test_chunks_of_two_streams_in_one_execution_stay_apart_and_in_order(stream: LoadedModel) -> None:
    parts = np.array_split(np.concatenate([QUIET, TALK, QUIET]), 50)
    requests = [
        stream.request({"waveform": part * loud}, sequence=sequence, start=place == 0, end=place == 49)
        for place, part in enumerate(parts)
        for sequence, loud in ((5, np.float32(1)), ("soft", np.float32(0.1)))
    ]

    answers = stream.infer_batch(requests)

    events = [
        (kind, time_s)
        for answer in answers
        for kind, time_s in zip(answer["event"], answer["event_s"], strict=True)
    ]
    assert [kind for kind, _ in events] == [b"start", b"end"]
    np.testing.assert_allclose([time_s for _, time_s in events], [1, 2], atol=0.07)
    assert sum(len(answer["speech_probability"]) for answer in answers[1::2]) == 3 * SECOND // 512 + 1


def test_a_stream_that_nobody_began_or_that_has_ended_is_refused(stream: LoadedModel) -> None:
    (stray,) = stream.infer_batch([stream.request({"waveform": QUIET}, sequence=9)])
    (ended,) = stream.infer_batch([stream.request({"waveform": QUIET}, sequence=9, start=True, end=True)])
    (late,) = stream.infer_batch([stream.request({"waveform": QUIET}, sequence=9)])

    assert ended["event"].size == 0
    for refused in (stray, late):
        assert isinstance(refused, TritonRequestError)
        assert refused.code == "INVALID_ARG"
        assert "begin a new one with the START flag" in refused.message


def test_a_second_start_begins_anew(stream: LoadedModel) -> None:
    for _ in range(2):
        (answer,) = stream.infer_batch(
            [stream.request({"waveform": np.concatenate([QUIET, TALK])}, sequence=1, start=True)]
        )
        assert answer["event"].tolist() == [b"start"]
        assert abs(float(answer["event_s"][0]) - 1) < 0.07


def test_a_file_becomes_samples_and_one_that_is_too_long_is_refused() -> None:
    folder = ROOT / "model_repository" / "audio_waveform"
    with load_model(folder, parameters={"max_duration_s": "2"}) as model:
        assert np.abs(model.infer(audio=flac(TALK, SECOND))["waveform"] - TALK).max() < 1e-4
        with pytest.raises(TritonRequestError, match="longer than 2 s"):
            model.infer(audio=flac(np.tile(TALK, 40), SECOND))
