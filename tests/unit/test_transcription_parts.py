"""The parts of a transcription that many threads share: the tape, the language, work side by side."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tritonzoo.runtime.errors import CancelledError
from tritonzoo.runtime.transcription.language import RecordingLanguage
from tritonzoo.runtime.transcription.side_by_side import in_order
from tritonzoo.runtime.transcription.tape import Tape


def test_a_tape_gives_any_stretch_and_forgets_what_is_behind():
    tape = Tape(np.int64)
    for first in range(0, 100, 10):
        tape.append(np.arange(first, first + 10))
    assert tape.read(7, 33).tolist() == list(range(7, 33))
    assert tape.read(95, 200).tolist() == [95, 96, 97, 98, 99]
    tape.forget(25)
    assert tape.read(25, 31).tolist() == list(range(25, 31))
    with pytest.raises(ValueError, match="place 24 was forgotten"):
        tape.read(24, 30)
    tape.append(np.arange(100, 105))
    assert tape.end == 105


def test_a_tape_lets_go_of_blocks_that_nobody_needs():
    tape = Tape()
    for _ in range(1000):
        tape.append(np.zeros(1000, np.float32))
        tape.forget(tape.end - 1500)
    assert len(tape._blocks) <= 3


def test_results_come_in_order_and_no_more_than_allowed_are_at_work():
    at_work, most = 0, 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.002 * (number % 3))
        with lock:
            at_work -= 1
        return number * number

    with ThreadPoolExecutor(16) as pool:
        assert list(in_order(range(40), work, pool, 4)) == [(n, n * n) for n in range(40)]
    assert 2 <= most <= 4


def test_items_are_not_taken_far_ahead_of_a_slow_reader():
    taken = 0

    def items():
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with ThreadPoolExecutor(4) as pool:
        results = in_order(items(), lambda number: number, pool, 3)
        for _ in range(5):
            next(results)
        assert taken <= 8
        results.close()


def test_the_first_error_is_raised_in_its_turn_and_ends_the_rest():
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise RuntimeError("window 3 failed")
        return number

    seen = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="window 3 failed"):
        for number, _ in in_order(range(100), work, pool, 4):
            seen.append(number)
    assert seen == [0, 1, 2]
    assert len(begun) < 10


def test_a_language_that_was_asked_for_needs_no_detection():
    language = RecordingLanguage("fr", 0.5)
    assert [language.of_window(index) for index in range(3)] == ["fr"] * 3
    assert language.answer == ("fr", 1.0)


def test_later_windows_wait_until_one_is_sure_of_the_language():
    language = RecordingLanguage("", 0.5)
    assert language.of_window(0) == ""
    with ThreadPoolExecutor(2) as pool:
        second, third = pool.submit(language.of_window, 1), pool.submit(language.of_window, 2)
        time.sleep(0.05)
        assert not second.done() and not third.done()
        language.learn(0, "de", 0.3)
        assert second.result(timeout=60) == ""  # doubtful: it detects as well
        time.sleep(0.05)
        assert not third.done()
        language.learn(1, "nl", 0.9)
        assert third.result(timeout=60) == "nl"
    assert language.answer == ("nl", 0.9)


def test_windows_that_wait_for_a_language_are_let_go_when_the_work_is_given_up():
    language = RecordingLanguage("", 0.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(language.of_window, 1)
        language.end()
        with pytest.raises(CancelledError):
            waiting.result(timeout=60)
