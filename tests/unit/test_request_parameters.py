"""Request parameters read as what they are meant to be, and what is wrong with one told in a sentence."""

from __future__ import annotations

import pytest

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import RequestParameters

SENT = RequestParameters(
    {"a": "0.5", "b": 3, "c": "on", "d": False, "e": "words", "f": 0.25, "nan": "nan", "triton_own": True}
)


def test_numbers_come_as_numbers_and_as_text():
    assert (SENT.number("a", 0), SENT.number("b", 0), SENT.number("f", 0)) == (0.5, 3.0, 0.25)
    assert SENT.number("absent", 7.5) == 7.5


def test_switches_come_as_bools_and_as_words():
    assert (SENT.switch("c", False), SENT.switch("d", True), SENT.switch("absent", True)) == (
        True,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("name", "bounds", "sentence"),
    [
        ("e", {}, "parameter e is 'words'; it must be a number"),
        ("c", {"least": 0}, "it must be a number of at least 0"),
        ("b", {"most": 2}, "parameter b is 3; it must be a number of at most 2"),
        ("a", {"least": 1, "most": 2}, "it must be a number from 1 to 2"),
        ("nan", {}, "it must be a number"),
        ("d", {}, "parameter d is False; it must be a number"),
    ],
)
def test_a_number_that_is_none_or_out_of_bounds_is_refused(name, bounds, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        SENT.number(name, 1, **bounds)


def test_a_word_that_is_no_switch_is_refused():
    with pytest.raises(InvalidInput, match="parameter e is 'words'; it must be true or false"):
        SENT.switch("e", True)


def test_what_was_not_asked_for_goes_to_whoever_knows_it():
    sent = RequestParameters(
        {"language": "en", "task": "translate", "triton_enable_empty_final_response": True}
    )
    sent.text("language")
    assert sent.rest(["task", "seed"]) == {"task": "translate"}


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant():
    sent = RequestParameters({"thresold": 0.5})
    sent.number("threshold", 0.5)
    with pytest.raises(InvalidInput, match="there is no parameter thresold; did you mean threshold"):
        sent.rest()
