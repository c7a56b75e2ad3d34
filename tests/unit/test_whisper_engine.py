"""Windows in one running batch: the same answers as alone, whoever joins, leaves, fails or is cancelled."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.unit.whisper_toys import POSITIONS, ToyGraphs, encoded, toy_engine, write_checkpoint
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.whisper.decoding import Outcome
from tritonzoo.runtime.whisper.engine import Engine
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.rules import TokenRules
from tritonzoo.runtime.whisper.vocabulary import Vocabulary

WAIT_S = 30


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    write_checkpoint(tmp_path)
    return Vocabulary.load(tmp_path)


@pytest.fixture
def engine(vocabulary: Vocabulary) -> Iterator[Engine]:
    engine = toy_engine(vocabulary, max_rows=6)
    yield engine
    engine.close()


def greedy(**options: object) -> DecodingOptions:
    return DecodingOptions(temperatures=(0.0,), **options)  # type: ignore[arg-type]


def decoded_plainly(vocabulary: Vocabulary, window: int, options: DecodingOptions) -> list[int]:
    """Greedy decoding with no cache and no batch: all tokens read anew for each."""
    graphs, rules = ToyGraphs(vocabulary), TokenRules(vocabulary, options)
    start = [vocabulary.start]
    if options.language:
        language = vocabulary.languages[options.language]
    else:
        heard = graphs.logits(window, start)
        language = max(vocabulary.languages.values(), key=lambda token: heard[token])
    prompt = [*vocabulary.before_start(options), *start, *vocabulary.after_start(options, language)]
    tokens: list[int] = []
    while len(prompt) + len(tokens) < POSITIONS:
        logits = graphs.logits(window, [*prompt, *tokens])
        rules.apply(logits, tokens)
        token = int(logits.argmax())
        if token == vocabulary.end:
            break
        tokens.append(token)
    return tokens


REQUESTS = [
    greedy(),
    greedy(language="de", task="translate"),
    greedy(timestamps=False),
    greedy(language="en", prompt=" seven three"),
    greedy(prompt_tokens=(3, 4, 5), timestamps=False, no_speech_threshold=None),
    greedy(language="ja", no_speech_threshold=None),
    greedy(no_speech_threshold=None, prompt="nine"),
    greedy(suppress_tokens=(7, 8, 9)),
]


@pytest.mark.parametrize("options", REQUESTS)
def test_a_window_alone_gets_the_tokens_of_plain_greedy_decoding(
    engine: Engine, vocabulary: Vocabulary, options: DecodingOptions
) -> None:
    for window in range(3):
        outcome = engine.submit(encoded(window), options).result(WAIT_S)
        assert outcome.hypothesis.tokens == decoded_plainly(vocabulary, window, options)


def test_windows_of_every_kind_in_one_batch_get_the_tokens_that_they_get_alone(
    engine: Engine, vocabulary: Vocabulary
) -> None:
    jobs = [(window, options) for window in range(5) for options in REQUESTS]
    random.Random(0).shuffle(jobs)
    futures = [engine.submit(encoded(window), options) for window, options in jobs]
    for (window, options), future in zip(jobs, futures, strict=True):
        assert future.result(WAIT_S).hypothesis.tokens == decoded_plainly(vocabulary, window, options)
    assert engine.tally.rows_per_step > 4
    assert engine.tally.windows == len(jobs)


def everything(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.hypothesis.tokens,
        outcome.hypothesis.log_probabilities,
        outcome.temperature,
        outcome.language,
        outcome.stop_reason,
    )


MIXED = [
    *REQUESTS,
    DecodingOptions(beam_size=3, temperatures=(0.0,)),
    DecodingOptions(beam_size=4, temperatures=(0.0, 0.6), log_probability_threshold=-0.1),
    DecodingOptions(temperatures=(0.3,), seed=5, word_timestamps=True, duration_s=0.08),
    DecodingOptions(temperatures=(0.0, 0.4, 0.8), log_probability_threshold=-1.5),
]


def test_beams_samples_and_fallbacks_are_the_same_in_company_as_alone(vocabulary: Vocabulary) -> None:
    jobs = [(window, options) for window in range(4) for options in MIXED]
    random.Random(1).shuffle(jobs)
    alone, together = (
        toy_engine(vocabulary, max_rows=4),
        toy_engine(vocabulary, max_rows=9, admission_steps=1),
    )
    expected = [everything(alone.submit(encoded(w), options).result(WAIT_S)) for w, options in jobs]
    futures = [together.submit(encoded(w), options) for w, options in jobs]
    assert [everything(future.result(WAIT_S)) for future in futures] == expected
    assert len({temperature for _, _, temperature, _, _ in expected}) > 2
    alone.close()
    together.close()


def test_a_window_that_joins_a_running_batch_gets_its_own_answer(vocabulary: Vocabulary) -> None:
    graphs = ToyGraphs(vocabulary, end_bonus=-50)  # never ends by itself
    engine = toy_engine(vocabulary, graphs, max_rows=4)
    futures = [engine.submit(encoded(0), greedy(language="en"))]
    for late in range(1, 4):
        while len(graphs.runs) < 5 * late:
            threading.Event().wait(0.001)
        futures.append(engine.submit(encoded(late), greedy(language="en", max_new_tokens=20)))
    outcomes = [future.result(WAIT_S) for future in futures]
    assert [len(outcome.hypothesis.tokens) for outcome in outcomes] == [POSITIONS - 3, 20, 20, 20]
    assert {outcome.stop_reason for outcome in outcomes} == {"length"}
    assert max(graphs.runs) > 1
    engine.close()


class SlowlyPreparing(ToyGraphs):
    """Each window takes 60 ms to prepare, as on a server with a model of real size."""

    def attend(self, *arguments: object) -> None:
        """The toy's, later."""
        threading.Event().wait(0.06)
        super().attend(*arguments)  # type: ignore[arg-type]


def test_windows_that_find_nobody_at_work_join_together(vocabulary: Vocabulary) -> None:
    engine = toy_engine(vocabulary, SlowlyPreparing(vocabulary, end_bonus=-50), max_rows=6)
    options = greedy(language="en", no_speech_threshold=None, max_new_tokens=10)
    futures = [engine.submit(encoded(window), options) for window in range(5)]
    for future in futures:
        assert len(future.result(WAIT_S).hypothesis.tokens) == 10
    assert (engine.tally.admissions, engine.tally.readings) == (1, 1)
    assert engine.tally.rows_per_step == 5
    engine.close()


def test_who_cancels_waits_for_no_more_than_one_window_to_be_prepared(vocabulary: Vocabulary) -> None:
    engine = toy_engine(vocabulary, SlowlyPreparing(vocabulary), max_rows=20)
    futures = [engine.submit(encoded(window), greedy(job="talk")) for window in range(20)]
    threading.Event().wait(0.1)  # the second is being prepared
    start_s = time.monotonic()
    engine.cancel("talk")
    assert time.monotonic() - start_s < 0.5  # all of them take 1.2 s
    assert {future.result(WAIT_S).stop_reason for future in futures} == {"cancelled"}
    engine.close()


def test_the_answer_says_whether_it_ended_or_was_cut(engine: Engine, vocabulary: Vocabulary) -> None:
    whole = engine.submit(encoded(1), greedy(language="en")).result(WAIT_S)
    assert whole.stop_reason == "stop"
    cut = engine.submit(encoded(1), greedy(language="en", max_new_tokens=2)).result(WAIT_S)
    assert cut.stop_reason == "length"
    assert cut.hypothesis.tokens == whole.hypothesis.tokens[:2]
    forced = engine.submit(encoded(1), greedy(min_new_tokens=30, max_new_tokens=30)).result(WAIT_S)
    assert len(forced.hypothesis.tokens) == 30


def test_probabilities_at_the_start_of_transcript_are_those_of_softmax(
    engine: Engine, vocabulary: Vocabulary
) -> None:
    outcome = engine.submit(encoded(3), greedy()).result(WAIT_S)
    logits = ToyGraphs(vocabulary).logits(3, [vocabulary.start]).astype(np.float64)
    assert math.isclose(
        outcome.no_speech_probability,
        np.exp(logits[vocabulary.no_speech]) / np.exp(logits).sum(),
        rel_tol=1e-5,
    )
    languages = np.exp(logits[list(vocabulary.languages.values())])
    assert math.isclose(outcome.language_probability, languages.max() / languages.sum(), rel_tol=1e-6)
    assert outcome.language == list(vocabulary.languages)[int(languages.argmax())]


def test_a_bad_attempt_is_made_again_warmer_unless_the_window_is_silent(engine: Engine) -> None:
    never_good = {"log_probability_threshold": 1.0, "temperatures": (0.0, 0.5, 1.0)}
    tried = engine.submit(encoded(2), DecodingOptions(no_speech_threshold=1.0, **never_good)).result(WAIT_S)  # type: ignore[arg-type]
    once = [
        engine.submit(
            encoded(2),
            DecodingOptions(no_speech_threshold=1.0, log_probability_threshold=1.0, temperatures=(each,)),
        ).result(WAIT_S)
        for each in (0.0, 0.5, 1.0)
    ]
    # Where no attempt is good the likeliest is kept, and nothing is likelier than the likeliest tokens.
    assert tried.temperature == 0.0
    assert tried.hypothesis.tokens == once[0].hypothesis.tokens
    assert tried.hypothesis.mean_log_probability >= max(each.hypothesis.mean_log_probability for each in once)
    silent = engine.submit(encoded(2), DecodingOptions(no_speech_threshold=0.0, **never_good)).result(WAIT_S)  # type: ignore[arg-type]
    assert silent.temperature == 0.0
    again = engine.submit(encoded(2), DecodingOptions(no_speech_threshold=1.0, **never_good)).result(WAIT_S)  # type: ignore[arg-type]
    assert again.hypothesis.tokens == tried.hypothesis.tokens  # the seed is the same


def test_cancelling_a_job_ends_its_windows_and_frees_their_rows(vocabulary: Vocabulary) -> None:
    graphs = ToyGraphs(vocabulary, end_bonus=-50)
    graphs.gate.clear()
    engine = toy_engine(vocabulary, graphs, max_rows=2)
    doomed = [engine.submit(encoded(each), greedy(job="doomed")) for each in range(5)]
    kept = engine.submit(encoded(9), greedy(job="kept", max_new_tokens=4))
    threading.Timer(0.05, graphs.gate.set).start()
    engine.cancel("doomed")
    assert [future.result(0).stop_reason for future in doomed] == ["cancelled"] * 5
    assert [future.result(0).hypothesis.tokens for future in doomed] == [[]] * 5
    assert len(kept.result(WAIT_S).hypothesis.tokens) == 4
    assert len(graphs.runs) < 20
    engine.close()


def test_a_window_that_is_given_up_leaves_and_the_others_go_on(vocabulary: Vocabulary) -> None:
    graphs = ToyGraphs(vocabulary, end_bonus=-50)
    engine = toy_engine(vocabulary, graphs, max_rows=3)
    futures = [engine.submit(encoded(each), greedy(language="en", timestamps=False)) for each in range(3)]
    while len(graphs.runs) < 4:
        threading.Event().wait(0.001)
    engine.give_up(futures[0])
    assert futures[0].result(WAIT_S).stop_reason in ("cancelled", "length")
    for window, future in list(enumerate(futures))[1:]:
        alone = toy_engine(vocabulary, ToyGraphs(vocabulary, end_bonus=-50))
        expected = alone.submit(encoded(window), greedy(language="en", timestamps=False)).result(WAIT_S)
        assert future.result(WAIT_S).hypothesis.tokens == expected.hypothesis.tokens
        alone.close()
    engine.close()


def test_a_window_that_fails_fails_alone(vocabulary: Vocabulary) -> None:
    graphs = ToyGraphs(vocabulary)
    graphs.broken_windows = {2}
    engine = toy_engine(vocabulary, graphs, max_rows=3)
    futures = [engine.submit(encoded(window), greedy()) for window in range(6)]
    with pytest.raises(RuntimeError, match="broken"):
        futures[2].result(WAIT_S)
    for window in (0, 1, 3, 4, 5):
        assert futures[window].result(WAIT_S).hypothesis.tokens == decoded_plainly(
            vocabulary, window, greedy()
        )
    engine.close()


def test_what_cannot_be_decoded_is_refused_with_the_remedy(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match=r"has shape \[3, 2\] and must have \[6, 2\]"):
        engine.submit(np.zeros((3, 2), np.float32), greedy())
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        engine.submit(np.full((6, 2), np.nan, np.float32), greedy())
    with pytest.raises(InvalidInput, match="decodes 6 rows at once; ask for fewer beams"):
        engine.submit(encoded(0), greedy(beam_size=7))
    with pytest.raises(InvalidInput, match="room for 37"):
        engine.submit(encoded(0), greedy(min_new_tokens=38))


def test_memory_is_given_back_when_idle_and_the_next_window_is_served(vocabulary: Vocabulary) -> None:
    engine = toy_engine(vocabulary, max_rows=3, idle_release_s=0.05)
    first = engine.submit(encoded(1), greedy()).result(WAIT_S)
    generation = engine._cache.generation
    while engine._cache.generation == generation:
        threading.Event().wait(0.01)
    assert not engine._cache.cross_keys.any()
    assert engine.submit(encoded(1), greedy()).result(WAIT_S).hypothesis.tokens == first.hypothesis.tokens
    engine.close()
