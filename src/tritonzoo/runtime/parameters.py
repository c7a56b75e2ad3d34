"""The `parameters` of a config.pbtxt, read as numbers, switches and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from tritonzoo.runtime.errors import ConfigurationError

RELOAD = "tritonzoo_reload"  # makes a configuration differ from the one before, so that Triton loads anew

_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}

Value = TypeVar("Value", bool, int, float, str)


class Parameters:
    """What a model configuration says under `parameters`, and which of it has been asked for."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """`config` is the model configuration as Triton hands it to `initialize`."""
        self._values: dict[str, str] = {
            key: value["string_value"] for key, value in config.get("parameters", {}).items()
        }
        self._asked: set[str] = set()

    @overload
    def get(self, name: str, default: Value) -> Value: ...
    @overload
    def get(self, name: str, default: None = None) -> str | None: ...

    def get(self, name: str, default: bool | float | str | None = None) -> bool | float | str | None:
        """The parameter in the type of `default`, or `default` where the configuration is silent.

        Raises ConfigurationError when the text is not of that type.
        """
        self._asked.add(name)
        if name not in self._values:
            return default
        text = self._values[name].strip()
        if isinstance(default, bool):
            if text.lower() not in _SWITCH:
                raise ConfigurationError(
                    f"parameter '{name}' is '{text}'; it must be one of {', '.join(_SWITCH)}"
                )
            return _SWITCH[text.lower()]
        if isinstance(default, (int, float)):
            try:
                return type(default)(text)
            except ValueError:
                kind = "a whole number" if isinstance(default, int) else "a number"
                raise ConfigurationError(f"parameter '{name}' is '{text}'; it must be {kind}") from None
        return text

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """Every parameter whose name starts with `prefix`, name and text."""
        found = {name: text for name, text in self._values.items() if name.startswith(prefix)}
        self._asked.update(found)
        return found

    def unread(self) -> list[str]:
        """Names that the configuration sets and nobody has asked for: most likely misspelt."""
        # Upper-case names, such as EXECUTION_ENV_PATH, are read by Triton itself; RELOAD is there to differ.
        asked = self._asked | {RELOAD}
        return sorted(name for name in self._values.keys() - asked if not name.isupper())
