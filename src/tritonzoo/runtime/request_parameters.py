"""The parameters that a caller sent with a request, read as text, switches and numbers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

from tritonzoo.runtime.errors import InvalidInput

ParameterValue = str | int | float | bool

_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


class RequestParameters:
    """Request parameters by name, each wrong one told in a sentence.

    A number may come as text: Triton's HTTP and gRPC clients send whole numbers, switches and text, and
    only the generate endpoint sends fractions.
    """

    def __init__(self, values: Mapping[str, ParameterValue]) -> None:
        self._values = values
        self._asked: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return str(self._value(name, default))

    def switch(self, name: str, default: bool) -> bool:
        """A bool, or a word for one."""
        value = self._value(name, default)
        word = str(value).strip().lower()
        if word not in _SWITCH:
            raise InvalidInput(f"parameter {name} is {value!r}; it must be true or false")
        return _SWITCH[word]

    def number(self, name: str, default: float, *, least: float = -math.inf, most: float = math.inf) -> float:
        """A number from `least` to `most`."""
        value = self._value(name, default)
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:  # false for NaN too
            raise InvalidInput(f"parameter {name} is {value!r}; it must be {_a_number(least, most)}")
        return number

    def rest(self, known: Iterable[str] = ()) -> dict[str, ParameterValue]:
        """What was sent and not asked for here; each must be one of `known`, which another model reads.

        Raises InvalidInput for a name that nobody knows, naming the one that was probably meant.
        """
        known = set(known)
        # Triton's own begin so: triton_enable_empty_final_response.
        rest = {
            name: value
            for name, value in self._values.items()
            if name not in self._asked and not name.startswith("triton_")
        }
        for name in rest.keys() - known:
            choices = sorted(known | self._asked)
            near = difflib.get_close_matches(name, choices, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise InvalidInput(f"there is no parameter {name}; {meant}there are {', '.join(choices)}")
        return rest

    def _value(self, name: str, default: ParameterValue) -> ParameterValue:
        self._asked.add(name)
        return self._values.get(name, default)


def _a_number(least: float, most: float) -> str:
    if math.isinf(least) and math.isinf(most):
        return "a number"
    if math.isinf(most):
        return f"a number of at least {least:g}"
    if math.isinf(least):
        return f"a number of at most {most:g}"
    return f"a number from {least:g} to {most:g}"
