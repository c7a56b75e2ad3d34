"""Positions of fields in a config.pbtxt: every way to write one, and the nearest where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritonzoo.check.pbtxt import Field, Key, PbText

TEXT = """# A comment: { "with" marks }
backend: "python"  # name: "not this"
input [
  { name: "a" dims: [ 1, -1 ] },
  { name: 'b' dims: [ 2 ] dims: - 3 }
]
input: < name: "c" "d"  data_type: TYPE_FP32; >
parameters { key: "one" value { string_value: "# no comment \\" } \\n" } }
parameters [ { key: "two"
  value: { string_value: "2" } } ]
dynamic_batching {}
max_batch_size:8
"""


def position(*path: Any) -> tuple[int, int]:
    found = PbText.index(TEXT).at(*path)
    return found.line, found.column


def test_scalars_stand_where_their_name_begins() -> None:
    assert position("backend") == (2, 1)
    assert position("max_batch_size") == (12, 1)
    assert position("dynamic_batching") == (11, 1)


def test_elements_of_a_list_stand_where_they_begin() -> None:
    assert position("input", 0) == (4, 3)
    assert position("input", 1, "name") == (5, 5)
    assert position("input", 0, "dims", 1) == (4, 26)


def test_a_repeated_field_is_counted_however_it_is_written() -> None:
    assert position("input", 2, "data_type") == (7, 25)
    assert PbText.index(TEXT).at("input", 2, "name").value == "cd"
    assert [dim.value for dim in PbText.index(TEXT).at("input", 1).named("dims")] == ["2", "-3"]


def test_entries_of_a_map_are_found_by_key() -> None:
    assert position("parameters", Key("one"), "value", "string_value") == (8, 33)
    assert position("parameters", Key("two"), "value") == (10, 3)


def test_strings_may_hold_marks_comments_and_escapes() -> None:
    assert (
        PbText.index(TEXT).at("parameters", Key("one"), "value", "string_value").value
        == '# no comment " } \n'
    )


def test_what_is_absent_stands_where_it_would_be() -> None:
    assert position("input", 1, "data_type") == position("input", 1)
    assert position("parameters", Key("three")) == (8, 1)  # the field, where its entry is not
    assert not PbText.index(TEXT).has("input", 1, "data_type")
    assert PbText.index(TEXT).has("input", 2, "data_type")


def test_a_key_that_an_earlier_entry_has_is_told() -> None:
    text = PbText.index('p { key: "a" }\np { key: "b" }\np { key: "a" }\n')

    assert [entry.line for entry in text.repeated_keys("p")] == [3]


@pytest.mark.parametrize(
    "path",
    sorted(Path(__file__).parents[2].glob("*/*/config.pbtxt")),
    ids=lambda path: path.parent.name,
)
def test_the_index_holds_what_the_parser_reads(path: Path) -> None:
    """Every scalar of the tree's own configurations is found at its path, with its value."""
    text = path.read_text("utf-8")
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    index = PbText.index(text)

    for steps, value in scalars(config):
        found = index.at(*steps)
        assert index.has(*steps), steps
        assert spelled(found) == value, steps


def spelled(field: Field) -> str | None:
    return {"true": "True", "false": "False"}.get(field.value or "", field.value)


def scalars(message: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], str]]:
    found: list[tuple[tuple[Any, ...], str]] = []
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            kind = field.message_type.fields_by_name["value"]
            for key, entry in value.items():
                here = (*path, field.name, Key(key), "value")
                found += scalars(entry, here) if kind.message_type else [(here, str(entry))]
        elif isinstance(value, (str, int, float, bool)):
            name = field.enum_type.values_by_number[value].name if field.enum_type else str(value)
            found.append(((*path, field.name), name))
        elif hasattr(value, "ListFields"):
            found += scalars(value, (*path, field.name))
        else:
            for index, entry in enumerate(value):
                here = (*path, field.name, index)
                found += scalars(entry, here) if field.message_type else [(here, str(entry))]
    return found
