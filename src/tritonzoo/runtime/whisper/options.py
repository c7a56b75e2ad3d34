"""What a caller may ask of the decoding of one window, by request parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import Asked, ParameterValue, RequestParameters

WINDOW_S = 30.0
TASKS = ("transcribe", "translate")

_FALLBACK_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_TEMPERATURES = 16
_MOST_BEAMS = 32
_CHECKPOINTS_OWN = -1  # openai/whisper's way to say "the symbols that the checkpoint suppresses"


@dataclass(frozen=True)
class DecodingOptions:
    """How one window is decoded; names and defaults are openai/whisper's `transcribe`'s, spelt out.

    A threshold of None is not looked at.
    """

    language: str = ""  # code, such as en; empty: detected
    task: str = "transcribe"
    prompt: str = ""  # text that came before
    prompt_tokens: tuple[int, ...] = ()  # the same as token ids, which may hold timestamps
    timestamps: bool = True
    word_timestamps: bool = False
    duration_s: float = WINDOW_S  # how much of the window is audio, the rest is padding
    temperatures: tuple[float, ...] = _FALLBACK_TEMPERATURES  # the next one where an attempt looks bad
    beam_size: int = 1  # at temperature 0
    patience: float = 1.0  # finished beams to wait for, as a multiple of beam_size (arXiv:2204.05424)
    length_penalty: float | None = None  # alpha of arXiv:1609.08144; None: the mean over the tokens
    max_new_tokens: int = 0  # 0: as many as the model has positions for
    min_new_tokens: int = 0  # the end is forbidden before
    compression_ratio_threshold: float | None = 2.4
    log_probability_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    suppress_tokens: tuple[int, ...] | None = None  # None: those the checkpoint names
    seed: int = 0
    job: str = ""  # windows of one job are ended together

    @classmethod
    def from_parameters(
        cls, values: Mapping[str, ParameterValue], defaults: DecodingOptions | None = None
    ) -> DecodingOptions:
        """Read request parameters; `defaults` stands for what was not sent.

        Raises InvalidInput for a wrong value and for a name that there is not.
        """
        return cls.read(RequestParameters(values), defaults)

    @classmethod
    def read(cls, sent: RequestParameters, defaults: DecodingOptions | None = None) -> DecodingOptions:
        """The same of parameters that note what is asked of them."""
        known = defaults or cls()
        options = cls(
            language=sent.text(
                "language", means="a code that the checkpoint has, such as `en`; empty: detected"
            )
            .strip()
            .lower(),
            task=sent.text("task", known.task, means="`transcribe`, or `translate` into English")
            .strip()
            .lower(),
            prompt=sent.text("prompt", means="text that came before; its last 223 tokens are read"),
            prompt_tokens=_ids(sent, "prompt_tokens", "the prompt as token ids, which may hold timestamps"),
            timestamps=sent.switch(
                "timestamps",
                known.timestamps,
                means="false: Whisper writes no timestamps, and a window is one segment",
            ),
            word_timestamps=sent.switch(
                "word_timestamps", known.word_timestamps, means="words, with times and probabilities"
            ),
            duration_s=sent.number(
                "duration_s",
                known.duration_s,
                least=0,
                most=WINDOW_S,
                means="how much of the window is audio; the rest is padding",
            ),
            temperatures=_temperatures(sent),
            beam_size=sent.whole(
                "beam_size", known.beam_size, least=1, most=_MOST_BEAMS, means="at temperature 0"
            ),
            patience=sent.number(
                "patience",
                known.patience,
                least=0.01,
                most=16,
                means="ended beams to wait for, as a multiple of `beam_size`",
            ),
            length_penalty=sent.number_or_none(
                "length_penalty",
                known.length_penalty,
                least=0,
                most=1,
                means="of beams; none: the mean log probability over the tokens",
            ),
            max_new_tokens=sent.whole(
                "max_new_tokens", 0, means="of each window; 0: as many as the model has room for"
            ),
            min_new_tokens=sent.whole(
                "min_new_tokens", 0, means="of each window: the end is forbidden before; for measuring"
            ),
            compression_ratio_threshold=sent.number_or_none(
                "compression_ratio_threshold",
                known.compression_ratio_threshold,
                means="a text that repeats itself more fails",
            ),
            log_probability_threshold=sent.number_or_none(
                "log_probability_threshold",
                known.log_probability_threshold,
                means="a text less certain, on average over its tokens, fails; a checkpoint may bring another"
                " default",
            ),
            no_speech_threshold=sent.number_or_none(
                "no_speech_threshold",
                known.no_speech_threshold,
                means="none: neither looked at nor measured, and the prompt is read in one run",
            ),
            suppress_tokens=_suppressed(sent),
            seed=sent.whole(
                "seed", known.seed, most=2**63 - 1, means="of what is drawn at temperatures above 0"
            ),
            job=sent.text("job", means="any name; windows of one job can be ended together"),
        )
        sent.text("cancel_job", means="ends every window of that job, waiting or at work")
        sent.switch(
            "describe", False, means="nothing is decoded: `text` tells in JSON what the checkpoint advises"
        )
        sent.rest()
        return options

    def __post_init__(self) -> None:
        """Hold what belongs together against each other."""
        if self.task not in TASKS:
            raise InvalidInput(f"parameter task is {self.task!r}; it must be {' or '.join(TASKS)}")
        if self.prompt and self.prompt_tokens:
            raise InvalidInput("prompt and prompt_tokens are the same thing twice; send one of them")
        if 0 < self.max_new_tokens < self.min_new_tokens:
            raise InvalidInput(
                f"min_new_tokens is {self.min_new_tokens} and max_new_tokens {self.max_new_tokens};"
                " the least cannot be more than the most"
            )


def _ids(sent: RequestParameters, name: str, means: str, default: str = "") -> tuple[int, ...]:
    numbers = sent.numbers(name, default, kind=int, example="11,502,48", means=means)
    return tuple(int(number) for number in numbers)


def _temperatures(sent: RequestParameters) -> tuple[float, ...]:
    temperatures = (
        sent.numbers(
            "temperatures",
            ",".join(map(str, _FALLBACK_TEMPERATURES)),
            kind=float,
            example="0.0,0.2,0.4",
            means="tried in turn while a text fails a threshold; if all fail, the likeliest is kept",
        )
        or _FALLBACK_TEMPERATURES
    )
    if len(temperatures) > _MOST_TEMPERATURES or not all(0 <= each <= 10 for each in temperatures):
        raise InvalidInput(
            f"parameter temperatures must hold 1 to {_MOST_TEMPERATURES} numbers from 0 to 10, such as"
            " 0.0,0.2,0.4"
        )
    return temperatures


def _suppressed(sent: RequestParameters) -> tuple[int, ...] | None:
    """Ids that the caller names; None where it names none or says -1, for the checkpoint's own."""
    means = "ids, besides Whisper's controls; -1: the checkpoint's own"
    ids = _ids(sent, "suppress_tokens", means, default=str(_CHECKPOINTS_OWN))
    return None if ids == (_CHECKPOINTS_OWN,) else ids


def _read() -> dict[str, Asked]:
    sent = RequestParameters({})
    DecodingOptions.read(sent)
    return sent.asked


PARAMETERS = _read()  # name -> what a caller may send
