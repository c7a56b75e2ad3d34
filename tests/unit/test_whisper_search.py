"""Sampling and beam search against what they are defined as."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tritonzoo.runtime.whisper.beam import BeamSearch, Continuation
from tritonzoo.runtime.whisper.fallback import compression_ratio, needs_another_attempt
from tritonzoo.runtime.whisper.hypothesis import Hypothesis
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.sampling import highest, log_normalizer, sample

END = 3


@pytest.mark.parametrize("size", [5, 63, 64, 65, 1000, 51_865])
def test_the_highest_logits_are_those_of_a_full_sort(size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(5):
        logits = random.normal(size=size).astype(np.float32).round(1)  # rounded: many are equal
        logits[random.integers(size, size=size // 3)] = -np.inf
        expected = sorted(range(size), key=lambda token: (-logits[token], token))[:6]
        assert highest(logits, 6).tolist() == expected


def test_the_normalizer_is_log_sum_exp_and_leaves_the_logits_alone() -> None:
    logits = np.array([1000.0, 999.0, -np.inf], np.float32)
    assert log_normalizer(logits, np.empty(3, np.float32)) == pytest.approx(1000 + np.log(1 + np.exp(-1)))
    assert logits.tolist() == [1000.0, 999.0, -np.inf]


def test_samples_have_the_frequencies_of_softmax_at_their_temperature() -> None:
    logits = np.array([0.0, 1.0, -np.inf, 2.0], np.float32)
    random = np.random.default_rng(0)
    for temperature in (0.5, 1.0, 2.0):
        counts = np.bincount([sample(logits, temperature, random) for _ in range(20_000)], minlength=4)
        expected = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        assert np.abs(counts / 20_000 - expected).max() < 0.015
        assert counts[2] == 0


def table(seed: int) -> dict[tuple[int, ...], np.ndarray]:
    """Log-probabilities of three words and the end, after every sequence of up to four words."""
    random = np.random.default_rng(seed)
    tables = {}
    for length in range(5):
        for words in itertools.product(range(3), repeat=length):
            logits = random.normal(size=4) * 2
            tables[words] = logits - np.log(np.exp(logits).sum())
    return tables


def searched(tables: dict[tuple[int, ...], np.ndarray], search: BeamSearch, most: int) -> tuple[int, ...]:
    beams = [Hypothesis()]
    for _ in range(most):
        found = [
            Continuation(index, token, logs[token], beam.log_probability + logs[token])
            for index, beam in enumerate(beams)
            for logs in [tables[tuple(beam.tokens)]]
            for token in np.argsort(-logs)[: search.beam_size + 1].tolist()
        ]
        going, ending = search.choose(found)
        search.finished += [
            beams[each.beam].extended(END, each.log_probability, None, END) for each in ending
        ]
        beams = [beams[each.beam].extended(each.token, each.log_probability, None, END) for each in going]
        if search.is_over:
            break
    return tuple(search.best(beams).tokens)


@pytest.mark.parametrize("seed", range(20))
def test_beams_as_many_as_there_are_sequences_find_the_best_of_all(seed: int) -> None:
    tables = table(seed)
    scores = {}
    for words, logs in tables.items():
        total = sum(tables[words[:place]][word] for place, word in enumerate(words))
        if len(words) < 4:
            scores[words] = (total + logs[END]) / max(len(words), 1)
        else:
            scores[words] = total / 4  # cut at the length
    search = BeamSearch(500, 1.0, None, END)
    assert searched(tables, search, 4) == max(scores, key=lambda words: scores[words])


def test_patience_waits_for_more_beams_to_end() -> None:
    eager, patient = BeamSearch(2, 0.5, None, END), BeamSearch(2, 2.0, None, END)
    for seed in range(10):
        for search in (eager, patient):
            search.finished.clear()
            searched(table(seed), search, 4)
        assert len(eager.finished) <= 1
        assert len(patient.finished) >= len(eager.finished)


def test_the_length_penalty_of_zero_takes_the_likeliest_and_of_one_favours_length() -> None:
    short, long = Hypothesis([1], [-1.0, -1.0]), Hypothesis([1, 2, 1, 2], [-0.6] * 5)
    assert BeamSearch(2, 1, 0.0, END).best([short, long]) is short
    assert BeamSearch(2, 1, None, END).best([short, long]) is long


def test_repetition_compresses_and_silence_needs_no_other_attempt() -> None:
    options = DecodingOptions()
    assert compression_ratio("") == 0
    assert compression_ratio(" yes" * 100) > 10 > 2.4 > compression_ratio(" seven three nine")
    assert needs_another_attempt(3.0, -0.1, 0.0, options)
    assert needs_another_attempt(1.0, -1.1, 0.5, options)
    assert not needs_another_attempt(1.0, -1.1, 0.7, options)
    assert needs_another_attempt(3.0, -0.9, 0.7, options)
    assert not needs_another_attempt(1.0, -0.9, 0.0, options)
    off = DecodingOptions(compression_ratio_threshold=None, log_probability_threshold=None)
    assert not needs_another_attempt(9.0, -9.0, 0.0, off)
