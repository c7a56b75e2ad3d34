"""Voice activity without a model: when segments are told, what streams remember, whose turn it is."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import RequestParameters
from tritonzoo.runtime.vad import SegmentationOptions, Segmenter, SpeechProbabilities
from tritonzoo.runtime.vad.live import Event, LiveStream
from tritonzoo.runtime.vad.streams import Streams, Turns

TALK, QUIET = 0.9, 0.01


def loudness(inputs):
    """In place of silero_vad: the peak of each window; the state counts windows, the context must fit."""
    windows = inputs["waveform"].reshape(-1, 512)
    assert np.array_equal(inputs["context"], np.full(64, inputs["state"][0, 0, 0], np.float32))
    state = inputs["state"] + np.float32(len(windows))
    return {
        "speech_probability": np.abs(windows).max(axis=1),
        "next_context": np.full(64, state[0, 0, 0], np.float32),
        "next_state": state,
    }


def test_a_segment_is_told_once_its_silence_has_lasted_and_not_at_the_end_of_the_recording() -> None:
    segmenter = Segmenter(SegmentationOptions())
    assert segmenter.feed([QUIET] * 10 + [TALK] * 20 + [QUIET] * 4) == []
    told = segmenter.feed(
        [QUIET]
    )  # 4 windows, 128 ms: more than the 100 ms of silence, and 2 x 30 of padding

    assert told == [(10 * 512 - 480, 30 * 512 + 480)]
    assert segmenter.feed([QUIET] * 1_000) == []
    assert segmenter.finish(1_035 * 512) == []


def test_what_lies_before_the_speech_at_hand_need_not_be_kept() -> None:
    segmenter = Segmenter(SegmentationOptions())
    segmenter.feed([QUIET] * 100)
    assert segmenter.settled_sample == 100 * 512 - 480
    segmenter.feed([TALK] * 50)
    assert segmenter.settled_sample == 100 * 512 - 480
    segmenter.feed([QUIET] * 50)
    assert segmenter.settled_sample == 200 * 512 - 480


def test_hours_of_talk_with_pauses_are_not_remembered() -> None:
    segmenter = Segmenter(SegmentationOptions(min_silence_duration_ms=1_000))
    for _ in range(1_000):
        segmenter.feed([TALK] * 10 + [QUIET] * 8)
    assert segmenter._pauses == []


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"threshold": "1.5"}, "parameter threshold is '1.5'; it must be a number from 0 to 1"),
        ({"speech_pad_ms": "wide"}, "parameter speech_pad_ms is 'wide'"),
        ({"max_speech_duration_s": 0}, "parameter max_speech_duration_s is 0; it must be a number of at least 0.1"),
        ({"neg_threshold": -1}, "parameter neg_threshold is -1; it must be a number from 0 to 1, or none"),
        ({"threshold": "0.3", "neg_threshold": "0.4"}, "make neg_threshold the lower one"),
        ({"use_max_poss_sil_at_max_speech": "maybe"}, "it must be true or false"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named_with_its_range(sent, sentence) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        SegmentationOptions.read(RequestParameters(sent))


def test_parameters_that_are_not_sent_have_their_defaults() -> None:
    assert SegmentationOptions.read(RequestParameters({})) == SegmentationOptions()
    assert SegmentationOptions.read(RequestParameters({"neg_threshold": "none"})) == SegmentationOptions()
    sent = {"threshold": "0.4", "neg_threshold": 0.2, "speech_pad_ms": 100}
    assert SegmentationOptions.read(RequestParameters(sent)) == SegmentationOptions(
        threshold=0.4, neg_threshold=0.2, speech_pad_ms=100
    )


def test_probabilities_do_not_depend_on_how_the_sound_is_cut() -> None:
    rng = np.random.default_rng(0)
    sound = rng.uniform(-1, 1, 20_007).astype(np.float32)
    whole = SpeechProbabilities(loudness)
    expected = np.concatenate([whole.feed(sound), whole.finish()])
    cut, found, place = SpeechProbabilities(loudness), [], 0
    while place < sound.size:
        size = int(rng.integers(0, 1_500))
        found.append(cut.feed(sound[place : place + size]))
        place += size
    found.append(cut.finish())

    assert np.array_equal(np.concatenate(found), expected)
    assert expected.shape == (40,)
    assert cut.samples == sound.size


def test_a_stream_tells_a_start_before_the_speech_has_ended() -> None:
    stream = LiveStream(*LiveStream.options(RequestParameters({})), loudness)
    quiet, talk = np.zeros(16_000, np.float32), np.full(16_000, 0.9, np.float32)

    events = [
        stream.hear(sound, last=place == 3).events for place, sound in enumerate((quiet, talk, quiet, talk))
    ]

    assert events[0] == ()
    assert events[1] == (Event("start", (31 * 512 - 480) / 16_000),)
    assert events[2] == (Event("end", (63 * 512 + 480) / 16_000),)
    assert events[3] == (Event("start", (93 * 512 - 480) / 16_000), Event("end", 4.0))


def test_an_unknown_parameter_of_a_stream_is_refused() -> None:
    with pytest.raises(InvalidInput, match="did you mean sample_rate_hz"):
        LiveStream.options(RequestParameters({"sample_rate": 8_000}))


def test_idle_streams_are_let_go_and_busy_ones_stay() -> None:
    streams: Streams[str] = Streams(idle_s=0.2)
    streams.begin(1, "idle")
    streams.begin("two", "busy")
    for _ in range(5):
        time.sleep(0.06)
        assert streams.of("two") == "busy"

    assert len(streams) == 1
    with pytest.raises(InvalidInput, match=r"sequence 1 is not known.*begin a new one with the START flag"):
        streams.of(1)


def test_abandoned_streams_leave_nothing() -> None:
    streams: Streams[bytes] = Streams(idle_s=0.0)
    for sequence in range(10_000):
        streams.begin(sequence, b"")
    assert len(streams) <= 2


def test_turns_keep_the_order_in_which_they_were_taken_whatever_the_threads_do() -> None:
    turns, seen, lock = Turns(), [], threading.Lock()
    rng = np.random.default_rng(0)

    def work(sequence: int, number: int, turn, pause_s: float) -> None:
        time.sleep(pause_s)
        with turn, lock:
            seen.append((sequence, number))

    with ThreadPoolExecutor(32) as pool:
        for number in range(100):
            for sequence in (1, 2):
                pool.submit(work, sequence, number, turns.take(sequence), float(rng.uniform(0, 0.003)))

    for sequence in (1, 2):
        assert [number for each, number in seen if each == sequence] == list(range(100))
    assert turns._last == {}


def test_a_turn_that_fails_lets_the_next_one_go_on() -> None:
    turns = Turns()
    first, second = turns.take("a"), turns.take("a")
    with pytest.raises(ZeroDivisionError), first:
        raise ZeroDivisionError
    with second:
        pass
