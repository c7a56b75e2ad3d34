"""The transcription pipelines with members that are right to the sample: what is left is the pipeline's."""

from __future__ import annotations

import io
import random
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.unit.answers import refused, served
from tests.unit.speech_members import SAMPLE_RATE, Members, recording
from tritonzoo.runtime.transcription.options import Advice
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

ENSEMBLES = Path(__file__).parents[2] / "ensembles"


def pipeline(members: Members, name: str = "ensemble_transcription", **parameters: str) -> LoadedModel:
    return load_model(ENSEMBLES / name, calls=members.calls, parameters=parameters)


def ask(model: LoadedModel, waveform, **parameters):
    return served(model.infer_batch([model.request({"waveform": waveform}, parameters=parameters)])[0])


def text(answer) -> str:
    return answer["text"].item().decode()


def random_words(seed: int, duration_s: float) -> list[tuple[float, float, int]]:
    """Words of 0.2 to 0.9 s with pauses of 0.15 s to a minute between them."""
    draw = random.Random(seed)
    words, now = [], draw.uniform(0, 3)
    while True:
        length = draw.uniform(0.2, 0.9)
        if now + length > duration_s:
            return words
        words.append((now, now + length, draw.randint(1, 99)))
        now += length + draw.choice([0.15, 0.2, 0.3, 0.5, 1.5, 4.0, 60.0 if draw.random() < 0.1 else 0.2])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("vad", [True, False])
def test_every_word_is_written_once_in_order_at_its_own_time(seed, vad):
    words = random_words(seed, 290)
    with pipeline(Members()) as model:
        answer = ask(model, recording(words, 300), vad=vad, word_timestamps=True)
    assert text(answer) == " ".join(str(number) for _, _, number in words)
    starts, ends = np.array([(start, end) for start, end, _ in words]).T
    assert np.abs(answer["word_start_s"] - starts).max() < 0.15
    assert np.abs(answer["word_end_s"] - ends).max() < 0.15
    assert answer["duration_s"].item() == 300


@pytest.mark.parametrize("vad", [True, False])
def test_windows_are_as_long_as_the_checkpoint_advises_and_the_caller_has_the_last_word(vad):
    words = [(second + 0.2, second + 0.7, second % 99 + 1) for second in range(150)]
    waveform = recording(words, 150)
    members = Members(advice=Advice(window_s=6))

    def longest_s(**parameters) -> float:
        members.asked.clear()
        answer = ask(model, waveform, vad=vad, **parameters)
        assert text(answer) == " ".join(str(number) for _, _, number in words)
        return max(float(asked["duration_s"]) for asked in members.asked)

    with pipeline(members) as model:
        assert 4 < longest_s() <= 6
        assert 10 < longest_s(window_s="12") <= 12
        assert 20 < longest_s(window_s="29") <= 30


@pytest.mark.parametrize("vad", [True, False])
def test_speech_of_minutes_without_a_pause_loses_and_repeats_nothing(vad):
    words = [(i * 0.4, (i + 1) * 0.4, 1 + i * 37 % 99) for i in range(300)]  # two minutes, no silence at all
    with pipeline(Members()) as model:
        answer = ask(model, recording(words, 121), vad=vad, word_timestamps=True)
    written = [int(word) for word in text(answer).split()]
    if vad:
        assert written == [number for _, _, number in words]
    else:  # one segment without end: openai/whisper too cuts it at 30 s, through the word there
        assert len(written) >= 300
    assert (np.diff(answer["word_start_s"]) >= 0).all()


def test_segments_and_words_are_monotonic_and_within_the_file():
    words = random_words(11, 200)
    with pipeline(Members()) as model:
        answer = ask(model, recording(words, 200), word_timestamps=True)
    for kind in ("segment", "word"):
        start, end = answer[f"{kind}_start_s"], answer[f"{kind}_end_s"]
        assert (start <= end).all() and (start[1:] >= end[:-1]).all()
        assert start[0] >= 0 and end[-1] <= 200


def test_without_word_times_the_segments_are_the_same():
    waveform = recording(random_words(3, 200), 200)
    with pipeline(Members()) as model:
        plain, worded = ask(model, waveform), ask(model, waveform, word_timestamps=True)
    assert plain["word_text"].size == 0
    assert worded["word_text"].size > 0
    for name in ("segment_text", "segment_start_s", "segment_end_s"):
        assert plain[name].tolist() == worded[name].tolist()


def test_a_segment_does_not_reach_over_a_long_pause_that_was_left_out():
    members = Members()
    words = [(1.0, 1.5, 7), (100.0, 100.5, 8)]
    with pipeline(members) as model:
        answer = ask(
            model, recording(words, 120), pause_s="0.3"
        )  # short enough to be one segment in the window
    assert len(members.asked) == 1
    assert answer["segment_text"].tolist() == [b" 7", b" 8"]
    assert np.abs(answer["segment_start_s"] - [1.0, 100.0]).max() < 0.1
    assert answer["segment_end_s"][0] < 2


def test_silence_costs_no_window_and_is_an_empty_transcript():
    members = Members()
    with pipeline(members) as model:
        answer = ask(model, np.zeros(60 * SAMPLE_RATE, np.float32))
    assert text(answer) == ""
    assert answer["language"].item() == b""
    assert answer["duration_s"].item() == 60
    assert answer["segment_text"].size == 0
    assert members.asked == []


@pytest.mark.parametrize("vad", [True, False])
def test_one_sample_is_an_empty_transcript(vad):
    with pipeline(Members()) as model:
        assert text(ask(model, np.zeros(1, np.float32), vad=vad)) == ""


def test_a_file_and_its_samples_give_the_same():
    words = random_words(5, 20)
    waveform = recording(words, 20)
    with pipeline(Members()) as model:
        (answer,) = model.infer_batch([{"audio": np.array([wav(waveform)], object)}])
    assert text(served(answer)) == " ".join(str(number) for _, _, number in words)


def wav(waveform) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "NONE"))
        file.writeframes(np.rint(waveform * 32767).astype("<i2").tobytes())
    return content.getvalue()


def test_windows_of_one_recording_are_decoded_side_by_side_but_not_without_bound():
    members = Members()
    words = random_words(2, 600)
    with pipeline(members, windows_of_one="3") as model:
        ask(model, recording(words, 600), language="en")
    assert 2 <= members.most_at_work <= 3


def test_the_language_is_detected_once_and_then_kept():
    members = Members("de", 0.8)
    with pipeline(members) as model:
        answer = ask(model, recording(random_words(2, 300), 300))
    assert [asked.get("language", "") for asked in members.asked] == ["", *["de"] * (len(members.asked) - 1)]
    assert answer["language"].item() == b"de"
    assert answer["language_probability"].item() == pytest.approx(0.8)


def test_a_doubtful_language_is_detected_again_in_the_next_window():
    members = Members("de", 0.3)
    with pipeline(members) as model:
        answer = ask(model, recording(random_words(2, 300), 300))
    assert len(members.asked) > 3
    assert all("language" not in asked for asked in members.asked)
    assert answer["language_probability"].item() == pytest.approx(0.3)


def test_options_reach_the_decoder():
    members = Members()
    with pipeline(members) as model:
        ask(
            model, recording([(1, 2, 5)], 5), language="fr", task="translate", beam_size=5, prompt="Bonjour",
            temperatures="0", compression_ratio_threshold="2.0",
        )  # fmt: skip
    (asked,) = members.asked
    assert (asked["language"], asked["task"], asked["beam_size"]) == ("fr", "translate", 5)
    assert (asked["prompt"], asked["temperatures"]) == ("Bonjour", "0")
    assert float(asked["compression_ratio_threshold"]) == 2.0
    assert 1.5 < float(asked["duration_s"]) < 5


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"langauge": "en"}, "there is no parameter langauge; did you mean language?"),
        ({"vad_threshold": "high"}, "vad_threshold is 'high'; it must be a number from 0.02 to 1"),
        ({"vad": "maybe"}, "vad is 'maybe'; it must be true or false"),
        ({"window_s": "60"}, "window_s is '60'; it must be a number from 5 to 29"),
        ({"condition_on_previous_text": True}, "goes with vad=false"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_remedy(parameters, sentence):
    with pipeline(Members()) as model:
        request = model.request({"waveform": np.zeros(16_000, np.float32)}, parameters=parameters)
        answer = refused(model.infer_batch([request])[0])
    assert answer.code == "INVALID_ARG"
    assert sentence in answer.message


def test_audio_and_waveform_together_or_neither_are_refused():
    with pipeline(Members()) as model:
        for inputs in ({}, {"waveform": np.zeros(1, np.float32), "audio": np.array([b"x"], object)}):
            with pytest.raises(TritonRequestError, match=r"send audio .* or waveform"):
                model.infer(**inputs)


def test_the_sequential_mode_goes_on_where_the_decoder_stopped_and_may_remember():
    members = Members()
    words = [(2.0 + 4 * i, 3.0 + 4 * i, 10 + i) for i in range(20)] + [(29.5, 30.5, 99)]
    waveform = recording(sorted(words), 90)
    with pipeline(members) as model:
        answer = ask(model, waveform, vad=False, condition_on_previous_text=True)
    assert text(answer) == " ".join(str(number) for _, _, number in sorted(words))
    assert "prompt_tokens" not in members.asked[0]
    assert members.asked[1]["prompt_tokens"].split(",")[-1] == "16"
    assert members.asked[2]["prompt_tokens"].startswith("10,11,12")


class Liar(Members):
    """A decoder that is sure of nothing and writes the same thing over and over."""

    def _decode(self, waveform, parameters):
        answer = super()._decode(waveform, parameters)
        answer["no_speech_probability"][:] = 0.95
        answer["mean_log_probability"][:] = -1.5
        return answer


def test_a_window_that_whisper_itself_doubts_is_dropped_and_said_so():
    with pipeline(Liar()) as model:
        waveform = recording([(1, 2, 5)], 5)
        answer = ask(model, waveform)
        assert text(answer) == ""
        assert (answer["dropped_text"].tolist(), answer["dropped_reason"].tolist()) == (
            [b" 5"],
            [b"no_speech"],
        )
        assert text(ask(model, waveform, hallucination_guard=False)) == "5"
        assert text(ask(model, waveform, log_probability_threshold="-2")) == "5"


@pytest.mark.parametrize("vad", [True, False])
def test_what_a_window_may_be_doubted_by_is_the_checkpoints_and_the_caller_has_the_last_word(vad):
    def said(threshold: float | None, **parameters: str) -> str:
        with pipeline(Liar(advice=Advice(log_probability_threshold=threshold))) as model:
            return text(ask(model, recording([(1, 2, 5)], 5), vad=vad, **parameters))

    assert said(-2.0) == "5"
    assert said(-2.0, log_probability_threshold="-1") == ""
    assert said(None) == ""  # not looked at: the no-speech probability alone decides
    assert said(None, log_probability_threshold="-2") == "5"


class Dreamer(Members):
    """Writes a word into the silence after the speech, and one that takes no time."""

    def _decode(self, waveform, parameters):
        from tests.unit.speech_members import decoder_answer, words_in

        words = words_in(waveform)
        end = words[-1][1]
        dreamt = [[*words], [(end + 0.35, end + 0.45, 42)], [(end, end, 43)]]
        return decoder_answer(dreamt, [], parameters, ("en", 0.9), 30.0)


def test_words_in_silence_and_words_without_length_are_dropped():
    with pipeline(Dreamer()) as model:
        answer = ask(model, recording([(1, 2, 5)], 5))
    assert text(answer) == "5"
    assert answer["dropped_text"].tolist() == [b" 42", b" 43"]
    assert answer["dropped_reason"].tolist() == [b"silence", b"empty"]


def test_a_loop_is_told_once():
    class Loop(Members):
        def _decode(self, waveform, parameters):
            from tests.unit.speech_members import decoder_answer

            answer = decoder_answer(
                [[(i + 1, i + 2, 5)] for i in range(6)], [], parameters, ("en", 0.9), 30.0
            )
            answer["compression_ratio"][:] = 5.0
            answer["stop_reason"][:] = b"length"
            return answer

    with pipeline(Loop()) as model:
        answer = ask(model, recording([(0, 10, 5)], 10))
    assert text(answer) == "5"
    assert set(answer["dropped_reason"].tolist()) == {b"repetition"}
    assert answer["stop_reason"].item() == b"length"


def test_an_hour_is_read_and_heard_in_pieces():
    members = Members()
    with pipeline(members) as model:
        answer = ask(model, recording([(10, 11, 5), (3590, 3591, 6)], 3600))
    assert text(answer) == "5 6"
    assert members.longest_heard <= 21 * SAMPLE_RATE


def test_a_stream_gives_each_segment_and_the_same_ones():
    waveform = recording(random_words(4, 200), 200)
    with pipeline(Members()) as model:
        whole = ask(model, waveform, word_timestamps=True)
    with pipeline(Members(), "transcription_stream") as model:
        request = model.request({"waveform": waveform}, parameters={"word_timestamps": True})
        parts = [served(part) for part in model.stream(request)]
    for name in ("segment_text", "segment_start_s", "word_text", "word_start_s", "word_end_s"):
        assert np.concatenate([part[name] for part in parts]).tolist() == whole[name].tolist()
    done = [part["transcribed_s"].item() for part in parts]
    assert done == sorted(done) and done[-1] <= 200


def test_the_first_segment_comes_before_the_last_window_is_decoded():
    members = Members()
    with pipeline(members, "transcription_stream", windows_of_one="1") as model:
        parts = model.stream({"waveform": recording(random_words(4, 600), 600)})
        served(next(parts))
        assert len(members.asked) <= 3
        assert len(list(parts)) > 5


def test_a_caller_who_leaves_ends_the_work_at_once_and_frees_the_decoder():
    members = Members()
    members.hold = threading.Event()
    with pipeline(members, "transcription_stream") as model:
        request = model.request(
            {"waveform": recording(random_words(4, 600), 600)}, parameters={"language": "en"}
        )
        answers = []
        reader = threading.Thread(target=lambda: answers.extend(model.stream(request)))
        reader.start()
        until(lambda: members.at_work > 0)
        request.cancel()
        until(lambda: members.cancelled)  # the held members never end by themselves
        reader.join(timeout=60)
        assert not reader.is_alive()
        assert refused(answers[-1]).code == "CANCELLED"
        until(lambda: members.at_work == 0)
        assert members.cancelled == [members.asked[0]["job"]]
        assert len(members.asked) <= 8  # of some thirty windows


def until(condition, timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_member_that_fails_fails_that_recording_alone():
    class Broken(Members):
        def _decode(self, waveform, parameters):
            if waveform.max() > 0.9:
                raise RuntimeError("internal error in whisper_decoder")
            return super()._decode(waveform, parameters)

    with pipeline(Broken()) as model:
        good, bad = model.infer_batch([{"waveform": recording([(1, 2, n)], 5)} for n in (5, 95)])
        assert text(served(good)) == "5"
        assert "its model whisper_decoder failed" in refused(bad).message


def test_many_recordings_at_once_get_their_own_answers():
    recordings = [random_words(100 + i, 40) for i in range(40)]
    with pipeline(Members()) as model:
        answers = model.infer_batch([{"waveform": recording(words, 40)} for words in recordings])
    assert [text(served(answer)) for answer in answers] == [
        " ".join(str(number) for _, _, number in words) for words in recordings
    ]
