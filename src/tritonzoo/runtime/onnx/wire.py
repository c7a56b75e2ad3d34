"""Protobuf's wire format, as far as ONNX files need it: their fields found and written without `onnx`.

The format says of every field how long it is, so that weights are stepped over: a file of 90 MB is read in
milliseconds.

Sources: the wire format (https://protobuf.dev/programming-guides/encoding/), and the field numbers of
onnx.proto3 in the ONNX repository.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT_BITS = 70

Span = tuple[int, int]  # where bytes begin and end


class BrokenMessageError(Exception):
    """The bytes are not what the format allows; says what they are instead."""


class Field(NamedTuple):
    """One field of a message."""

    number: int
    whole: Span  # with its tag
    value: int | Span  # a number, or where its bytes are


def fields(data: bytes | mmap.mmap, span: Span) -> Iterator[Field]:
    """The fields of the message that lies in `span`, in the order of the file.

    Raises:
        BrokenMessageError: it is no such message, or only a part of one.
    """
    position, end = span
    while position < end:
        start = position
        tag, position = _varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        value: int | Span
        if wire_type == VARINT:
            value, position = _varint(data, position, end)
        elif wire_type == LENGTH:
            length, begin = _varint(data, position, end)
            position = begin + length
            value = (begin, position)
        elif wire_type in (FIXED32, FIXED64):
            value, position = 0, position + (4 if wire_type == FIXED32 else 8)
        else:
            raise BrokenMessageError(f"is no ONNX model: byte {position} is not protobuf")
        if position > end:
            raise BrokenMessageError(
                f"is only a part of an ONNX model: it ends at byte {len(data)}, inside a field "
                f"that goes to {position}"
            )
        yield Field(number, (start, position), value)


def spans(data: bytes | mmap.mmap, span: Span, number: int) -> Iterator[Span]:
    """Where the bytes of each field of this number are: a text, or a message; raises as `fields` does."""
    for field in fields(data, span):
        if field.number == number and isinstance(field.value, tuple):
            yield field.value


def _varint(data: bytes | mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < _LONGEST_VARINT_BITS:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise BrokenMessageError(f"is no ONNX model, or only a part of one: byte {position} is not protobuf")


def varint(value: int) -> bytes:
    """A number as it is written."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def number_field(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3 | VARINT) + varint(value)


def header(number: int, length: int) -> bytes:
    """What stands before the `length` bytes of a field."""
    return varint(number << 3 | LENGTH) + varint(length)


def bytes_field(number: int, content: bytes) -> bytes:
    """A field that holds bytes: text, or a message."""
    return header(number, len(content)) + content
