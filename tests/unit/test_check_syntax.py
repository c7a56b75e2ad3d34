"""A config.pbtxt that Triton's parser would refuse is one finding, in its line, with what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.check_deeds import Deed, Found, added, assert_found, config, swapped, written

TOKENS, STREAM, WINDOWS, LOUDNESS = map(config, ("tokens", "stream", "windows", "loudness"))
DIMS = "dims: [ -1, 16 ]"
SIZE = "max_batch_size: 16"
PROMPT = '"prompt" data_type: TYPE_STRING'
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"


def in_other_bytes(encoding: str, before: bytes = b"") -> Deed:
    return lambda root: (root / STREAM).write_bytes(before + (root / STREAM).read_text().encode(encoding))


# What is done, the file, the line of the finding, what it says or how it is mended.
BROKEN: dict[str, tuple[Deed, str, int, str]] = {
    "a quote that is not closed": (swapped(TOKENS, '"python"', '"python'), TOKENS, 2, "close the quote"),
    "no colon": (swapped(TOKENS, SIZE, "max_batch_size 16"), TOKENS, 3, "put a colon"),
    "one brace too many": (added(TOKENS, "}\n"), TOKENS, 21, "remove it, or close"),
    "a bracket closed by another": (
        swapped(LOUDNESS, "dynamic_batching {}", "dynamic_batching < }"), LOUDNESS, 8, "its own bracket"),
    "a word at the end": (added(TOKENS, "hello\n"), TOKENS, 21, 'no field named "hello"'),
    "a comment as in C": (swapped(TOKENS, SIZE, SIZE + " // rows"), TOKENS, 3, "begin a comment with #"),
    "JSON": (written(STREAM, '{"backend": "python"}\n'), STREAM, 1, "it is no JSON"),
    "YAML": (written(STREAM, "# A.\nbackend: python\n"), STREAM, 2, "straight double quotes"),
    "a template": (swapped(TOKENS, SIZE, "max_batch_size: ${ROWS}"), TOKENS, 3, "nothing fills templates in"),
    "a merge conflict": (swapped(TOKENS, SIZE, "<<<<<<< HEAD\n" + SIZE), TOKENS, 3, "resolve the merge conflict"),
    "a pointer of Git LFS": (written(STREAM, POINTER), STREAM, 1, "git lfs pull"),
    "nothing": (written(STREAM, ""), STREAM, 1, "is empty"),
    "a comment and nothing else": (written(STREAM, "# To do.\n"), STREAM, 1, "is empty"),
    "a data type in small letters": (
        swapped(STREAM, PROMPT, '"prompt" data_type: type_string'), STREAM, 5, "did you mean TYPE_STRING?"),
    "a data type in quotes": (
        swapped(STREAM, PROMPT, '"prompt" data_type: "TYPE_STRING"'), STREAM, 5, "without quotes"),
    "a data type as clients call it": (
        swapped(STREAM, PROMPT, '"prompt" data_type: TYPE_BYTES'), STREAM, 5, "write TYPE_STRING"),
    "a data type as ONNX calls it": (
        swapped(STREAM, PROMPT, '"prompt" data_type: TYPE_FLOAT16'), STREAM, 5, "write TYPE_FP16"),
    "a data type that no number has": (
        swapped(STREAM, PROMPT, '"prompt" data_type: 99'), STREAM, 5, "no value named 99"),
    "a kind without its prefix": (swapped(TOKENS, "KIND_CPU", "CPU"), TOKENS, 15, "did you mean KIND_CPU?"),
    "a field in capitals": (
        swapped(TOKENS, SIZE, "Max_Batch_Size: 16"), TOKENS, 3, "did you mean max_batch_size?"),
    "a field in camel case": (swapped(TOKENS, SIZE, "maxBatchSize: 16"), TOKENS, 3, "did you mean max_batch_size?"),
    "a number in quotes": (swapped(TOKENS, SIZE, 'max_batch_size: "16"'), TOKENS, 3, "a whole number"),
    "a number with a point": (swapped(WINDOWS, DIMS, "dims: [ -1, 16.0 ]"), WINDOWS, 6, "a whole number"),
    "a number with an exponent": (swapped(TOKENS, SIZE, "max_batch_size: 1e1"), TOKENS, 3, "exponent"),
    "a number too large": (swapped(TOKENS, SIZE, "max_batch_size: 99999999999"), TOKENS, 3, "32 bits"),
    "a time below nothing": (
        swapped(LOUDNESS, "dynamic_batching {}", "dynamic_batching { max_queue_delay_microseconds: -5 }"),
        LOUDNESS, 8, "none below 0"),
    "a minus that is another character": (
        swapped(WINDOWS, DIMS, "dims: [ \N{MINUS SIGN}1, 16 ]"), WINDOWS, 6, "an ordinary -"),
    "a list without brackets": (swapped(WINDOWS, DIMS, "dims: -1, 16"), WINDOWS, 6, "dims: [ -1, 16 ]"),
    "a list without a comma": (swapped(WINDOWS, DIMS, "dims: [ -1 16 ]"), WINDOWS, 6, "put a comma"),
    "a comma after the last number": (
        swapped(WINDOWS, DIMS, "dims: [ -1, 16, ]"), WINDOWS, 6, "remove the comma before it"),
    "a comma after the last tensor": (
        swapped(TOKENS, "dims: [ -1 ] }   # tokens: 1", "dims: [ -1 ] },  # tokens: 1"),
        TOKENS, 12, "remove the comma before it"),
    "a yes": (swapped(TOKENS, "optional: true", "optional: yes"), TOKENS, 7, "write true or false"),
    "a switch in place of a block": (
        swapped(LOUDNESS, "dynamic_batching {}", "dynamic_batching: true"), LOUDNESS, 8, "open a block"),
    "a parameter's text outside of its block": (
        swapped(TOKENS, 'value { string_value: "256" }', 'value: "256"'), TOKENS, 16, "value { string_value"),
    "a parameter's number without quotes": (
        swapped(TOKENS, 'string_value: "256"', "string_value: 256"), TOKENS, 16, "straight double quotes"),
    "a line twice": (swapped(TOKENS, SIZE, SIZE + "\n" + SIZE), TOKENS, 4, "keep one of the two lines"),
    "two ways to schedule": (
        added(config("write"), "dynamic_batching {}\n"), config("write"), 12, "one way to schedule"),
    "quotes from a word processor": (
        swapped(STREAM, '"python"', "\u201cpython\u201d"), STREAM, 2, "straight double quotes"),
    "a byte order mark": (in_other_bytes("utf-8", b"\xef\xbb\xbf"), STREAM, 1, "without a byte order mark"),
    "UTF-16": (in_other_bytes("utf-16"), STREAM, 1, "is UTF-16; save it as UTF-8"),
    # What Python's protobuf reads, and Triton refuses (tests/server/test_check_agrees_with_triton.py)
    "a space that is another character": (
        swapped(TOKENS, SIZE, "max_batch_size:\u00a016"), TOKENS, 3, "U+00A0"),
    "a plus": (swapped(TOKENS, SIZE, "max_batch_size: +16"), TOKENS, 3, "+16 is no number"),
    "a number in groups": (swapped(TOKENS, SIZE, "max_batch_size: 1_6"), TOKENS, 3, "1_6 is no number"),
}  # fmt: skip


@pytest.mark.parametrize(("deed", "file", "line", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_parse_is_told_once_with_its_remedy(
    tmp_path: Path, deed: Deed, file: str, line: int, told: str
) -> None:
    assert_found(tmp_path, Found(deed, "config-syntax", file, told, line))
