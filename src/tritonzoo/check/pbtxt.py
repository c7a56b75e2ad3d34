"""Where each field of a text-format protobuf stands: protobuf's own parser gives values without positions.

The index assumes text that `google.protobuf.text_format` accepted; it checks nothing itself. Paths are those
of the message: names of fields, numbers for the n-th of a repeated field, `Key` for an entry of a map:

    text.at("input", 0, "dims")                      # the first input's dims
    text.at("parameters", Key("padding"), "value")   # the map entry whose key is "padding"

The text format: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<skip>[\s]+|\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<mark>[{}<>\[\]:,;])
    |(?P<word>[^\s\#"'{}<>\[\]:,;]+)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"{": "}", "<": ">"}


class Key(NamedTuple):
    """The entry of a map that has this key."""

    name: str


Step = str | int | Key


@dataclass
class Field:
    """One occurrence of a field: where its name (or, in a list, its element) begins, and what it holds."""

    name: str
    line: int
    column: int
    value: str | None = None  # of a scalar: a string without its quotes, anything else as it is written
    fields: list[Field] = field(default_factory=list)

    def named(self, name: str) -> list[Field]:
        """The direct occurrences of a field, in order."""
        return [child for child in self.fields if child.name == name]

    @property
    def key(self) -> str | None:
        """The key, where this is an entry of a map."""
        return next((child.value for child in self.named("key")), None)


class Token(NamedTuple):
    kind: str  # "text", "mark" or "word"; "skip" between them, "end" after the last
    value: str
    line: int
    column: int


@dataclass(frozen=True)
class PbText:
    """The fields of one file."""

    root: Field

    @classmethod
    def index(cls, text: str) -> PbText:
        """Index a file's text."""
        root = Field("", 1, 1)
        reader = _Reader([token for token in tokens(text) if token.kind != "skip"])
        root.fields = reader.fields("")
        return cls(root)

    def at(self, *path: Step) -> Field:
        """The field at `path`, or the deepest one on the way there that the file has."""
        return self._walk(path)[0]

    def has(self, *path: Step) -> bool:
        """Whether the file says something at `path`."""
        return self._walk(path)[1]

    def _walk(self, path: Sequence[Step]) -> tuple[Field, bool]:
        current, choices = self.root, [self.root]
        for step in path:
            if isinstance(step, str):
                choices = current.named(step)
            elif isinstance(step, int):
                choices = choices[step : step + 1]
            else:
                choices = [choice for choice in choices if choice.key == step.name]
            if not choices:
                return current, False
            current = choices[0]
        return current, True

    def repeated_keys(self, *path: Step) -> Iterator[Field]:
        """The entries of the map at `path` whose key an earlier one has: the parser keeps only the last."""
        *parent, name = path
        seen: set[str | None] = set()
        for entry in self.at(*parent).named(str(name)):
            if entry.key in seen:
                yield entry
            seen.add(entry.key)


def tokens(text: str) -> Iterator[Token]:
    """Every token, also the space and the comments between them (`skip`), and one at the end."""
    line, line_start = 1, 0
    position = 0
    while match := _TOKEN.match(text, position):
        yield Token(str(match.lastgroup), match[0], line, match.start() - line_start + 1)
        newlines = match[0].count("\n")
        if newlines:
            line += newlines
            line_start = match.start() + match[0].rindex("\n") + 1
        position = match.end()
    yield Token("end", "", line, position - line_start + 1)


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._next = tokens, 0

    def fields(self, closing: str) -> list[Field]:
        """Fields up to the mark `closing`, or the end."""
        found: list[Field] = []
        while (token := self._take()).kind != "end" and token.value != closing:
            if token.kind == "word":
                found += self._occurrences(token)
        return found

    def _occurrences(self, name: Token) -> Iterator[Field]:
        if self._peek().value == ":":
            self._take()
        if self._peek().value != "[":
            yield self._one(name.value, name)
            return
        self._take()
        while self._peek().kind != "end" and self._peek().value != "]":
            if self._peek().value == ",":
                self._take()
            else:
                yield self._one(name.value, self._peek())
        self._take()

    def _one(self, name: str, start: Token) -> Field:
        found = Field(name, start.line, start.column)
        token = self._take()
        if token.value in _CLOSING and token.kind == "mark":
            found.fields = self.fields(_CLOSING[token.value])
        elif token.kind == "text":
            parts = [token.value]
            while self._peek().kind == "text":
                parts.append(self._take().value)
            found.value = "".join(map(_unquoted, parts))
        else:
            found.value = token.value + (self._take().value if token.value == "-" else "")
        return found

    def _peek(self) -> Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token


def _unquoted(text: str) -> str:
    """A quoted string's content; escapes are C's, and Python reads those in the same way."""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text[1:-1]
