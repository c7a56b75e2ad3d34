"""Request parameters read as what they are meant to be, and what is wrong with one told in a sentence."""

from __future__ import annotations

import pytest

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import Asked, RequestParameters

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
    decoder = {"task": Asked("text", ""), "seed": Asked("a number", 0)}
    assert sent.rest(decoder) == {"task": "translate"}
    assert list(sent.asked) == ["language", "task", "seed"], (
        "what is passed on belongs to what a caller may send"
    )


def test_what_is_asked_for_is_noted_as_it_is_declared():
    sent = RequestParameters({"threshold": "0.25", "beams": 4, "limit": "off", "ids": "3, 4"})

    assert sent.number("threshold", 0.5, least=0, most=1, means="speech begins here") == 0.25
    assert sent.whole("beams", 1, least=1, most=32) == 4
    assert sent.number_or_none("limit", 2.4) is None
    assert sent.number_or_none("penalty", None, least=0, most=1) is None
    assert sent.numbers("ids", "", kind=int, example="11,502") == (3, 4)
    assert sent.asked == {
        "threshold": Asked("a number from 0 to 1", 0.5, "speech begins here"),
        "beams": Asked("a whole number from 1 to 32", 1),
        "limit": Asked("a number, or none", 2.4),
        "penalty": Asked("a number from 0 to 1, or none", None),
        "ids": Asked("numbers with commas between them", ""),
    }


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [({"n": "2"}, "parameter n is '2'; it must be a number from 0 to 1, or none"), ({"n": "no"}, "or none")],
    ids=str,
)
def test_a_number_that_may_be_switched_off_is_one_or_a_word_for_none(sent, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        RequestParameters(sent).number_or_none("n", 0.5, least=0, most=1)


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant():
    sent = RequestParameters({"thresold": 0.5})
    sent.number("threshold", 0.5)
    with pytest.raises(InvalidInput, match="there is no parameter thresold; did you mean threshold"):
        sent.rest()
