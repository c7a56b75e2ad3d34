"""What a template's hook refuses: answers that could not become a model. One sentence, exit code 1."""

from __future__ import annotations

import keyword
import re
import sys

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class UnusableAnswerError(ValueError):
    """An answer, and what it should have been."""


def require_name(name: str) -> None:
    """A folder's name: also part of Python module names, of URLs and of metrics' labels."""
    if not _NAME.fullmatch(name):
        raise UnusableAnswerError(
            f"name is {name!r}; write lower-case letters, digits and _, a letter first: my_model_2"
        )


def require_title(title: str) -> None:
    """One sentence, which becomes a comment and a docstring."""
    if not title.strip() or any(mark in title for mark in ('"', "\\", "\n")):
        raise UnusableAnswerError(f"title is {title!r}; write one sentence, without quotes")


def require_inputs(inputs: str) -> None:
    """Names of tensors, separated by commas: they are arguments of a Python function."""
    names = [name.strip() for name in inputs.split(",")]
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name) or name == "self":
            raise UnusableAnswerError(
                f"inputs are {inputs!r}; write names such as text, or left,right: {name!r} is no name"
            )
    if len(set(names)) < len(names):
        raise UnusableAnswerError(f"inputs are {inputs!r}; name each one once")


def require_count(what: str, text: str, *, least: int) -> None:
    """A whole number."""
    if not re.fullmatch(r"\d+", text) or int(text) < least:
        raise UnusableAnswerError(f"{what} is {text!r}; write a whole number, {least} or more")


def refuse_unusable(*, name: str, title: str, inputs: str | None = None, **counts: tuple[str, int]) -> None:
    """Check the answers of a template; end the hook with a sentence where one is wrong.

    Args:
        counts: for each number its text and the least that it may be.
    """
    try:
        require_name(name)
        require_title(title)
        if inputs is not None:
            require_inputs(inputs)
        for what, (text, least) in counts.items():
            require_count(what, text, least=least)
    except UnusableAnswerError as error:
        sys.exit(str(error))
