"""Request parameters of whisper_decoder as options, and each mistake in one sentence."""

from __future__ import annotations

import pytest

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.whisper.options import DecodingOptions


def test_without_parameters_the_defaults_are_openai_whispers() -> None:
    options = DecodingOptions.from_parameters({})
    assert options == DecodingOptions()
    assert options.temperatures == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert (options.compression_ratio_threshold, options.log_probability_threshold) == (2.4, -1.0)


def test_numbers_may_come_as_text_or_as_numbers() -> None:
    as_text = DecodingOptions.from_parameters(
        {"beam_size": "5", "duration_s": "12.5", "temperatures": "0,0.5", "timestamps": "false", "seed": "7"}
    )
    as_numbers = DecodingOptions.from_parameters(
        {"beam_size": 5, "duration_s": 12.5, "temperatures": "0.0, 0.5", "timestamps": False, "seed": 7}
    )
    assert as_text == as_numbers
    assert as_text.temperatures == (0.0, 0.5) and as_text.beam_size == 5 and not as_text.timestamps


def test_a_single_temperature_and_lists_of_ids_are_read() -> None:
    options = DecodingOptions.from_parameters(
        {"temperatures": 0.5, "prompt_tokens": "3, 4,5", "suppress_tokens": "1,2"}
    )
    assert (options.temperatures, options.prompt_tokens, options.suppress_tokens) == (
        (0.5,),
        (3, 4, 5),
        (1, 2),
    )


def test_thresholds_are_switched_off_by_a_word() -> None:
    options = DecodingOptions.from_parameters(
        {"no_speech_threshold": "none", "log_probability_threshold": "off", "length_penalty": "none"}
    )
    assert options.no_speech_threshold is None
    assert options.log_probability_threshold is None
    assert options.length_penalty is None


def test_suppressed_tokens_of_minus_one_are_the_checkpoints_and_none_are_none() -> None:
    assert DecodingOptions.from_parameters({"suppress_tokens": "-1"}).suppress_tokens is None
    assert DecodingOptions.from_parameters({"suppress_tokens": ""}).suppress_tokens == ()


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"task": "sing"}, "task is 'sing'; it must be transcribe or translate"),
        ({"beam_size": 0}, "beam_size is 0; it must be a whole number from 1 to 32"),
        ({"beam_size": 2.5}, "beam_size is 2.5; it must be a whole number"),
        ({"temperatures": "hot"}, "temperatures is 'hot'; it must be numbers with commas"),
        ({"temperatures": "-1"}, "temperatures must hold 1 to 16 numbers from 0 to 10, such as 0.0,0.2,0.4"),
        ({"duration_s": 31}, "duration_s is 31; it must be a number from 0 to 30"),
        ({"prompt": "a", "prompt_tokens": "3"}, "prompt and prompt_tokens are the same thing twice"),
        ({"max_new_tokens": 3, "min_new_tokens": 4}, "the least cannot be more than the most"),
        ({"suppress_tokens": "a,b"}, "suppress_tokens is 'a,b'; it must be numbers with commas between them"),
        ({"langauge": "en"}, "there is no parameter langauge; did you mean language?"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_remedy(parameters: dict[str, str | int], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        DecodingOptions.from_parameters(parameters)
    assert sentence in str(refused.value)


def test_what_was_not_sent_is_the_checkpoints_own() -> None:
    of_checkpoint = DecodingOptions(log_probability_threshold=-2.0)

    assert DecodingOptions.from_parameters({}, of_checkpoint).log_probability_threshold == -2.0
    sent = DecodingOptions.from_parameters({"log_probability_threshold": "-0.5"}, of_checkpoint)
    assert sent.log_probability_threshold == -0.5
    off = DecodingOptions.from_parameters({"log_probability_threshold": "none"}, of_checkpoint)
    assert off.log_probability_threshold is None
