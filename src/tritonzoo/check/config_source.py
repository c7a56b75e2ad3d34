"""A config.pbtxt parsed as Triton would, whose parser refuses some spellings that Python's protobuf takes.

`google.protobuf.text_format` reads its text as Unicode and its numbers as Python does. Triton's parser is
that of C++: outside of strings and comments it knows ASCII alone, and numbers have no `+` and no `_`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from tritonclient.grpc import model_config_pb2

from tritonzoo.check.pbtxt import Key, PbText, Step, tokens

_NUMBER = re.compile(r"-?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)|-?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?[fF]?")
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "UTF-8 with a byte order mark",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


@dataclass(frozen=True)
class Unparsed:
    """Why a config.pbtxt has no meaning, and where."""

    message: str
    line: int = 1
    column: int = 1


def parse(path: Path) -> Any:
    """A file's `ModelConfig`, or why Triton would refuse it: `Unparsed`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Unparsed(f"cannot be read ({error.strerror})")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return Unparsed(f"is {encoding}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unparsed(f"is not UTF-8 ({error.reason})", data[: error.start].count(b"\n") + 1)
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        message = str(error).partition(" : ")[2] or str(error)
        return Unparsed(message, error.GetLine() or 1, error.GetColumn() or 1)
    if not config.ListFields() and not PbText.index(text).root.fields:
        return Unparsed("is empty: it says nothing of the model")
    return next(_only_here(text), None) or next(_unknown_values(config, text), None) or config


def _only_here(text: str) -> Iterator[Unparsed]:
    """Spellings that pass in Python alone."""
    for token in tokens(text):
        if token.kind in ("skip", "word"):
            space = token.value.partition("#")[0]  # a comment may hold anything
            strange = re.search(r"[^\x00-\x7f]", space)
            if strange:
                before = space[: strange.start()]
                line = token.line + before.count("\n")
                column = len(before) - before.rfind("\n") if "\n" in before else token.column + len(before)
                what = f"the character U+{ord(strange[0]):04X}"
                yield Unparsed(f"has {what}, which is no space to Triton's parser", line, column)
        is_number = token.kind == "word" and token.value[0] in "+-0123456789" and token.value != "-"
        if is_number and not _NUMBER.fullmatch(token.value):
            yield Unparsed(f"{token.value} is no number to Triton's parser", token.line, token.column)


def _unknown_values(config: Any, text: str) -> Iterator[Unparsed]:
    """Enumerations given as a number that stands for nothing: Triton loads them, and no request fits."""
    for path, field, number in _enum_values(config, ()):
        if number not in field.enum_type.values_by_number:
            found = PbText.index(text).at(*path)
            message = f'Enum type "{field.enum_type.full_name}" has no value named {number}'
            yield Unparsed(message, found.line, found.column)


def _enum_values(message: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any, int]]:
    for field, value in message.ListFields():
        here = (*path, field.name)
        if field.type == FieldDescriptor.TYPE_ENUM:
            values = (
                list(value) if isinstance(value, (list, tuple)) or hasattr(value, "__iter__") else [value]
            )
            yield from ((here, field, number) for number in values)
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        elif field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key, entry in value.items():
                    yield from _enum_values(entry, (*here, Key(str(key)), "value"))
        elif hasattr(value, "ListFields"):
            yield from _enum_values(value, here)
        else:
            for index, entry in enumerate(value):
                yield from _enum_values(entry, (*here, index))
