"""What mends a config.pbtxt that does not parse, by what the parser says of it."""

from __future__ import annotations

import difflib
import re
from typing import Any

from tritonclient.grpc import model_config_pb2

_UNKNOWN_FIELD = re.compile(
    r'Message type "inference\.(?P<message>[\w.]+)" has no field named "(?P<name>[^"]+)"'
)
_UNKNOWN_VALUE = re.compile(
    r'Enum type "inference\.(?P<message>[\w.]+)" has no value named (?P<name>[^\s.]+)'
)
# What other tools call Triton's data types.
_DATA_TYPES = {
    "BYTES": "STRING", "STR": "STRING", "TEXT": "STRING", "OBJECT": "STRING", "BOOLEAN": "BOOL",
    "FLOAT": "FP32", "FLOAT16": "FP16", "FLOAT32": "FP32", "FLOAT64": "FP64", "DOUBLE": "FP64",
    "HALF": "FP16", "BFLOAT16": "BF16", "INT": "INT32", "LONG": "INT64",
}  # fmt: skip
# A part of the message (or of the line that it quotes), and the remedy; the first that fits.
_REMEDIES = (
    (r"git-lfs|named \"version\"", "it is a Git LFS pointer, not the file: git lfs pull"),
    (r"^'?(<<<<<<<|=======|>>>>>>>)", "resolve the merge conflict"),
    (r"is empty", "write backend, max_batch_size, input and output; docs/pbtxt.md shows one"),
    (r"cannot be read", "let everybody read it: chmod a+r"),
    (r"is not UTF-8|is UTF-", "save it as UTF-8 without a byte order mark"),
    (r"no space to Triton", "write a plain space"),
    (r"is no number to Triton", "write it in digits alone, with a - before it at most"),
    (r"got [/]", "begin a comment with #"),
    (r"got \{", "leave the outermost braces and the quotes around names out: it is no JSON"),
    (r"got [}\]>]", "remove it, or close what was opened before with its own bracket"),
    (r"missing ending quote", "close the quote in the same line"),
    (r"\$\{|\{\{|\$\w", "write the value itself: nothing fills templates in"),
    (r"parse integer: [\]}]", "remove the comma before it"),
    (r"parse integer: \W*-?\d", 'write a whole number, without quotes, point or exponent'),
    (r"parse integer", "write a whole number in plain digits, with an ordinary - before it if need be"),
    (r"out of range", "write a number that fits: 32 bits for sizes, none below 0 for times"),
    (r"Expected string", 'put the text between straight double quotes: "python"'),
    (r"have multiple", "keep one of the two lines"),
    (r"another member of oneof", "keep one of the two: a model has one way to schedule its requests"),
    (r'Expected "true"', "write true or false"),
    (r'Expected ":"', "put a colon between the field and its value"),
    (r'Expected ","', "put a comma between the elements of a list"),
    (r"^'\s*[\]}].*Expected \"\{\"", "remove the comma before it"),
    (r'Expected "\{"', "open a block after the name: dynamic_batching { }, value { string_value: \"8\" }"),
    (r'has no value named "', "write the name without quotes"),
)  # fmt: skip


def remedy(message: str) -> str:
    """How to mend what a parser's message says, with the valid choices where a name is unknown."""
    for pattern, advice in _REMEDIES[:2]:
        if re.search(pattern, message):
            return advice
    match = _UNKNOWN_FIELD.search(message) or _UNKNOWN_VALUE.search(message)
    if match is not None and not match["name"].startswith('"'):
        return _choice(match["message"], match["name"])
    for pattern, advice in _REMEDIES:
        if re.search(pattern, message):
            return advice
    return "correct the line; docs/pbtxt.md shows how fields are written"


def _choice(message: str, wrong: str) -> str:
    if wrong.lstrip("-").isdigit() and message != "DataType":
        return f"put a list between brackets, as in dims: [ -1, {wrong} ], and numbers after a field's name"
    known = _names_of(message)
    kind = wrong.upper().removeprefix("TYPE_")
    if message == "DataType" and kind in _DATA_TYPES:
        return f"write TYPE_{_DATA_TYPES[kind]}"
    by_lower = {name.lower().replace("_", ""): name for name in known}
    same = by_lower.get(wrong.lower().replace("_", ""))
    close = [same] if same else difflib.get_close_matches(wrong, known, 1, 0.5)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _names_of(message: str) -> list[str]:
    """The fields of a message, or the values of an enumeration, of model_config.proto."""
    scope: Any = model_config_pb2.DESCRIPTOR
    for index, part in enumerate(message.split(".")):
        types = scope.message_types_by_name if index == 0 else scope.nested_types_by_name
        scope = types.get(part) or scope.enum_types_by_name.get(part)
        if scope is None:
            return []
    return list(scope.fields_by_name) if hasattr(scope, "fields_by_name") else list(scope.values_by_name)
