"""What stands on the command line, made into requests by what the pipeline takes.

- A pipeline with an input `image` or `audio`: every argument is a file, `-` is one file on standard input.
- A pipeline with an input `text`: every argument is a text, or the content of the file it names; `-` reads
  standard input, every line that is not blank being a request of its own, sent as it arrives.
- `name=value` sets any other input for every request: value is JSON, a plain string for a BYTES input, or
  `@path` for the content of a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tritonzoo.client.description import Pipeline, Tensor
from tritonzoo.client.tensors import file_bytes
from tritonzoo.errors import InvalidInputError

FILE_INPUTS = ("image", "audio")
TEXT_INPUT = "text"
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Question:
    """One request to make: how it is called in the answer, and its inputs, or why it cannot be made."""

    shown: str
    inputs: dict[str, Any]
    mistake: InvalidInputError | None = None
    is_file: bool = False  # what is shown is a path


def main_input(pipeline: Pipeline) -> Tensor | None:
    """Return the input that arguments without a name go to; a file comes before the text about it."""
    return next(filter(None, map(pipeline.input, (*FILE_INPUTS, TEXT_INPUT))), None)


def questions(pipeline: Pipeline, arguments: Sequence[str], stdin: BinaryIO) -> Iterator[Question]:
    """Yield the requests that the arguments mean, reading standard input as they are asked for.

    Raises InvalidInputError where an argument fits no input; a file that is missing is its own request's
    mistake.
    """
    main = main_input(pipeline)
    named: dict[str, Any] = {}
    plain: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        tensor = pipeline.input(name) if equals else None
        if tensor is not None and tensor is not main:
            named[name] = _value(tensor, value)
        else:
            plain.append(argument)
    if main is None:
        if plain:
            raise InvalidInputError(
                f"{pipeline.name} takes {pipeline.takes}; give each as name=value, not {plain[0]!r}"
            )
        return iter([Question(" ".join(arguments), named)])
    if not plain:
        kind = "text" if main.name == TEXT_INPUT else f"file for {main.name}"
        raise InvalidInputError(f"{pipeline.name} needs a {kind}; give one, or - for standard input")
    if plain.count(STANDARD_INPUT) > 1:
        raise InvalidInputError("standard input (-) can be read only once; give - once")
    return _each(main, plain, named, stdin)


def _each(main: Tensor, plain: list[str], named: dict[str, Any], stdin: BinaryIO) -> Iterator[Question]:
    for argument in plain:
        if argument != STANDARD_INPUT:
            yield _from_argument(main, argument, named)
        elif main.name == TEXT_INPUT:
            for line in stdin:
                text = line.rstrip(b"\r\n")
                if text.strip():
                    yield Question(text.decode(errors="replace"), {**named, main.name: text})
        else:
            yield Question(STANDARD_INPUT, {**named, main.name: stdin.read()})


def _from_argument(main: Tensor, argument: str, named: dict[str, Any]) -> Question:
    # Arguments that are not valid UTF-8 carry surrogates; encoding them so gives the shell's bytes back.
    if main.name == TEXT_INPUT and not _is_file(argument):
        return Question(argument, {**named, main.name: argument.encode(errors="surrogateescape")})
    try:
        return Question(argument, {**named, main.name: file_bytes(argument)}, is_file=True)
    except InvalidInputError as mistake:
        return Question(argument, {}, mistake, is_file=True)


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):  # a text too long, or with a NUL, to be a path
        return False


def _value(tensor: Tensor, value: str) -> Any:
    if value.startswith("@"):
        return file_bytes(value[1:])
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        if tensor.datatype == "BYTES":
            return value
        raise InvalidInputError(
            f"{tensor.name}={value} is not JSON ({error}); write {tensor} like {tensor.name}=[1, 2]"
        ) from None
