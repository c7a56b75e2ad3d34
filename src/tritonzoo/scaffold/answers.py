"""What a template's hook refuses: answers that could not become a model. One sentence, exit code 1."""

from __future__ import annotations

import builtins
import keyword
import re
import sys

from tritonzoo.check.rules.config import NATIVE_BACKENDS

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME, _LONGEST_TITLE = 60, 90  # characters: a test's file name and a line hold more than these
_LARGEST = 2**31 - 1  # numbers of a config.pbtxt have 32 bits
_USED = ("np", "self", "inputs", "rows", "scores", "requests")  # by what the templates make


class UnusableAnswerError(ValueError):
    """An answer, and what it should have been."""


def require_name(name: str) -> None:
    """A folder's name: also part of Python module names, of URLs and of metrics' labels."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UnusableAnswerError(
            f"name is {name!r}; write lower-case letters, digits and _, a letter first, {_LONGEST_NAME} at "
            "most: my_model_2"
        )


def require_title(title: str) -> None:
    """One sentence, which becomes a comment and a docstring."""
    unusable = not title.strip() or any(mark in title for mark in ('"', "\\", "\n", "|"))
    if unusable or len(title) > _LONGEST_TITLE:
        raise UnusableAnswerError(
            f"title is {title!r}; write one sentence, without quotes or |, of {_LONGEST_TITLE} characters at "
            "most"
        )


def require_inputs(inputs: str) -> None:
    """Names of tensors, separated by commas: they are arguments of a Python function."""
    names = [name.strip() for name in inputs.split(",")]
    for name in names:
        if not _NAME.fullmatch(name) or keyword.iskeyword(name):
            raise UnusableAnswerError(
                f"inputs are {inputs!r}; write names such as text, or left,right: {name!r} is no name"
            )
        if name in _USED or hasattr(builtins, name):
            raise UnusableAnswerError(
                f"inputs are {inputs!r}; {name} is a name that the code uses: call it {name}_1, say"
            )
    if len(set(names)) < len(names):
        raise UnusableAnswerError(f"inputs are {inputs!r}; name each one once")


def require_free_backend(name: str) -> None:
    """A backend's name: none that Triton has a backend of its own for."""
    if name in NATIVE_BACKENDS:
        raise UnusableAnswerError(
            f"name is {name!r}, a backend of Triton's own; choose another: {name}_2, say"
        )


def require_count(what: str, text: str, *, least: int) -> None:
    """A whole number."""
    if not re.fullmatch(r"0|[1-9][0-9]*", text) or not least <= int(text) <= _LARGEST:
        raise UnusableAnswerError(f"{what} is {text!r}; write a whole number, {least} or more")


def refuse_unusable(
    *, name: str, title: str, inputs: str | None = None, backend: str = "", **counts: tuple[str, int]
) -> None:
    """Check the answers of a template; end the hook with a sentence where one is wrong.

    Args:
        backend: the name of a backend that is made.
        counts: for each number its text and the least that it may be.
    """
    try:
        require_name(name)
        require_title(title)
        require_free_backend(backend)
        if inputs is not None:
            require_inputs(inputs)
        for what, (text, least) in counts.items():
            require_count(what, text, least=least)
    except UnusableAnswerError as error:
        sys.exit(str(error))
