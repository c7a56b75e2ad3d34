"""The parameters that a caller sent with a request, read as text, switches and numbers.

Where a parameter is read, it is also declared: name, kind, default, bounds, and `means`, a phrase for people.
`asked` has them all once a reader went over an instance, also over an empty one; the pages of
`tritonzoo docs` are made of it, so they list what is read and nothing else.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tritonzoo.runtime.errors import InvalidInput

ParameterValue = str | int | float | bool

_OFF = ("", "none", "off")
_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True)
class Asked:
    """A parameter as the code asks for it."""

    kind: str  # what it must be, in words: "a number from 0 to 1"
    default: ParameterValue | None  # None: off
    means: str = ""


class RequestParameters:
    """Request parameters by name, each wrong one told in a sentence.

    A number may come as text: Triton's HTTP and gRPC clients send whole numbers, switches and text, and
    only the generate endpoint sends fractions.
    """

    def __init__(self, values: Mapping[str, ParameterValue]) -> None:
        self._values = values
        self.asked: dict[str, Asked] = {}  # so far, in the order in which they were first asked for

    def sent(self, names: Iterable[str]) -> dict[str, ParameterValue]:
        """Those of `names` that were sent, as they came."""
        return {name: self._values[name] for name in names if name in self._values}

    def text(self, name: str, default: str = "", *, means: str = "") -> str:
        """A text."""
        return str(self._value(name, default, "text", means))

    def switch(self, name: str, default: bool, *, means: str = "") -> bool:
        """A bool, or a word for one."""
        value = self._value(name, default, "true or false", means)
        word = str(value).strip().lower()
        if word not in _SWITCH:
            raise InvalidInput(f"parameter {name} is {value!r}; it must be true or false")
        return _SWITCH[word]

    def number(
        self,
        name: str,
        default: float,
        *,
        least: float = -math.inf,
        most: float = math.inf,
        means: str = "",
    ) -> float:
        """A number from `least` to `most`."""
        return self._number(name, default, _a_number(least, most), least, most, means)

    def number_or_none(
        self,
        name: str,
        default: float | None,
        *,
        least: float = -math.inf,
        most: float = math.inf,
        means: str = "",
    ) -> float | None:
        """A number from `least` to `most`, or None for the words that switch it off."""
        kind = f"{_a_number(least, most)}, or none"
        value = self._value(name, default, kind, means)
        if value is None or (isinstance(value, str) and value.strip().lower() in _OFF):
            return None
        return self._number(name, value, kind, least, most, means)

    def whole(
        self, name: str, default: int, *, least: int = 0, most: int = 1_000_000, means: str = ""
    ) -> int:
        """A whole number from `least` to `most`."""
        kind = _a_number(least, most).replace("a number", "a whole number")
        number = self._number(name, default, kind, least, most, means)
        if number != int(number):
            raise InvalidInput(f"parameter {name} is {number:g}; it must be a whole number")
        return int(number)

    def numbers(
        self, name: str, default: str, *, kind: type[int] | type[float], example: str, means: str = ""
    ) -> tuple[float, ...]:
        """Numbers with commas between them; those of `default`, in the same form, where none were sent."""
        value = self._value(name, default, "numbers with commas between them", means)
        try:
            return tuple(kind(part) for part in str(value).split(",") if part.strip())
        except ValueError:
            raise InvalidInput(
                f"parameter {name} is {value!r}; it must be numbers with commas between them, such as"
                f" {example}"
            ) from None

    def rest(self, known: Mapping[str, Asked] | None = None) -> dict[str, ParameterValue]:
        """What was sent and not asked for here; each must be one of `known`, which another model reads.

        `known` is from what the other model's reader `asked`. From here on it counts as asked for.

        Raises InvalidInput for a name that nobody knows, naming the one that was probably meant.
        """
        known = known or {}
        # Triton's own begin so: triton_enable_empty_final_response.
        rest = {
            name: value
            for name, value in self._values.items()
            if name not in self.asked and not name.startswith("triton_")
        }
        self.asked.update({name: asked for name, asked in known.items() if name not in self.asked})
        for name in rest.keys() - known.keys():
            choices = sorted(self.asked)
            near = difflib.get_close_matches(name, choices, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise InvalidInput(f"there is no parameter {name}; {meant}there are {', '.join(choices)}")
        return rest

    def _number(
        self, name: str, default: ParameterValue, kind: str, least: float, most: float, means: str
    ) -> float:
        value = self._value(name, default, kind, means)
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:  # false for NaN too
            raise InvalidInput(f"parameter {name} is {value!r}; it must be {kind}")
        return number

    def _value(self, name: str, default: ParameterValue | None, kind: str, means: str) -> Any:
        self.asked.setdefault(name, Asked(kind, default, means))
        return self._values.get(name, default)


def _a_number(least: float, most: float) -> str:
    if math.isinf(least) and math.isinf(most):
        return "a number"
    if math.isinf(most):
        return f"a number of at least {_digits(least)}"
    if math.isinf(least):
        return f"a number of at most {_digits(most)}"
    return f"a number from {_digits(least)} to {_digits(most)}"


def _digits(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"
