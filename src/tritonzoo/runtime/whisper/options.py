"""What a caller may ask of the decoding of one window, by request parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import ParameterValue, RequestParameters

WINDOW_S = 30.0
TASKS = ("transcribe", "translate")

_OFF = ("", "none", "off")
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
        sent = RequestParameters(values)
        known = defaults or cls()
        options = cls(
            language=sent.text("language").strip().lower(),
            task=sent.text("task", known.task).strip().lower(),
            prompt=sent.text("prompt"),
            prompt_tokens=_ids(sent, "prompt_tokens"),
            timestamps=sent.switch("timestamps", known.timestamps),
            word_timestamps=sent.switch("word_timestamps", known.word_timestamps),
            duration_s=sent.number("duration_s", known.duration_s, least=0, most=WINDOW_S),
            temperatures=_temperatures(sent),
            beam_size=_whole(sent, "beam_size", known.beam_size, least=1, most=_MOST_BEAMS),
            patience=sent.number("patience", known.patience, least=0.01, most=16),
            length_penalty=_or_none(sent, "length_penalty", None, least=0, most=1),
            max_new_tokens=_whole(sent, "max_new_tokens", 0),
            min_new_tokens=_whole(sent, "min_new_tokens", 0),
            compression_ratio_threshold=_or_none(
                sent, "compression_ratio_threshold", known.compression_ratio_threshold
            ),
            log_probability_threshold=_or_none(
                sent, "log_probability_threshold", known.log_probability_threshold
            ),
            no_speech_threshold=_or_none(sent, "no_speech_threshold", known.no_speech_threshold),
            suppress_tokens=_suppressed(sent),
            seed=_whole(sent, "seed", known.seed, most=2**63 - 1),
            job=sent.text("job"),
        )
        sent.rest(["cancel_job"])
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


def _whole(sent: RequestParameters, name: str, default: int, *, least: int = 0, most: int = 1_000_000) -> int:
    number = sent.number(name, default, least=least, most=most)
    if number != int(number):
        raise InvalidInput(f"parameter {name} is {number:g}; it must be a whole number")
    return int(number)


def _or_none(
    sent: RequestParameters,
    name: str,
    default: float | None,
    *,
    least: float = float("-inf"),
    most: float = float("inf"),
) -> float | None:
    """A number, or None for the words that switch it off and for a default of None."""
    text = sent.text(name, "none" if default is None else str(default)).strip().lower()
    return None if text in _OFF else sent.number(name, default or 0.0, least=least, most=most)


def _list(
    sent: RequestParameters, name: str, kind: type[int] | type[float], example: str
) -> tuple[float, ...]:
    text = sent.text(name)
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InvalidInput(
            f"parameter {name} is {text!r}; it must be numbers with commas between them, such as {example}"
        ) from None


def _ids(sent: RequestParameters, name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _list(sent, name, int, "11,502,48"))


def _temperatures(sent: RequestParameters) -> tuple[float, ...]:
    temperatures = _list(sent, "temperatures", float, "0.0,0.2,0.4") or _FALLBACK_TEMPERATURES
    if len(temperatures) > _MOST_TEMPERATURES or not all(0 <= each <= 10 for each in temperatures):
        raise InvalidInput(
            f"parameter temperatures must hold 1 to {_MOST_TEMPERATURES} numbers from 0 to 10, such as"
            " 0.0,0.2,0.4"
        )
    return temperatures


def _suppressed(sent: RequestParameters) -> tuple[int, ...] | None:
    """Ids that the caller names; None where it names none or says -1, for the checkpoint's own."""
    default = str(_CHECKPOINTS_OWN)
    if sent.text("suppress_tokens", default).strip() == default:
        return None
    return _ids(sent, "suppress_tokens")
