"""What the pages say exists: links, commands with their options, configurations, data types, fields, profiles."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer.core
import typer.main
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype

from tritonzoo.cli import app
from tritonzoo.explain.rules import RULES
from tritonzoo.ledger import Entry
from tritonzoo.pages.parameters import parameters
from tritonzoo.profiles import PROFILES
from tritonzoo.recipe import Recipe
from tritonzoo.repository import Repository
from tritonzoo.runtime.whisper.options import PARAMETERS as DECODER_PARAMETERS
from tritonzoo.soak.judge import judge

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "*.md", "docs/*.md", "docs/pipelines/*.md", "backends/*.md", "bench/*/README.md", "data_samples/*/README.md",
    "model_repository/*/README.md", "ensembles/*/README.md", "starters/*/README.md",
)  # fmt: skip
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
REPOSITORY = Repository.find(ROOT)
GUIDES = sorted(ROOT.glob("docs/*.md"))

PROGRAM = typer.main.get_command(app)
assert isinstance(PROGRAM, typer.core.TyperGroup)
COMMANDS = PROGRAM.commands
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
SHELL_BREAKS = ("|", "&&", ";", ">", "&")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """A page without its code blocks and code spans."""
    return CODE_SPAN.sub("", INDENTED.sub("", FENCE.sub("", path.read_text("utf-8"))))


def anchors(path: Path) -> set[str]:
    """What `#...` may name in a page: its headings as GitHub spells them."""
    headings = HEADING.findall(FENCE.sub("", path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """(language, code) of a page's blocks; indented ones have no language."""
    text = path.read_text("utf-8")
    yield from FENCE.findall(text)
    yield from (("", block) for block in INDENTED.findall(FENCE.sub("", text)))


def commands(code: str) -> Iterator[list[str]]:
    """The arguments of each `tritonzoo ...` that a piece of shell runs, comments and pipes left out."""
    for line in code.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # an apostrophe: not a command
            continue
        starts = [index for index, word in enumerate(words) if word == "tritonzoo"]
        for start in starts:
            if start == 0 or words[start - 1] in SHELL_BREAKS:
                rest = words[start + 1 :]
                end = next((index for index, word in enumerate(rest) if word in SHELL_BREAKS), len(rest))
                yield rest[:end]


def table(guide: str, header: str, section: str = "# ") -> list[list[str]]:
    """The cells of the table whose header line begins so, the first below `section`, one list a row."""
    lines = (ROOT / "docs" / guide).read_text("utf-8").split(section, 1)[-1].splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(header))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" |")])
    return rows


def names_in(cell: str) -> list[str]:
    return [re.split(r"[(=]", name)[0] for name in CODE_SPAN.findall(cell)]


# -- links ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"\w+:", link):  # another site
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.is_relative_to(ROOT) or not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_the_index_names_every_guide() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {link for link in LINK.findall(index.read_text("utf-8")) if "/" not in link}
    assert linked == {path.name for path in GUIDES if path != index}


def test_a_broken_link_would_be_found() -> None:
    assert "the-http-port-is-not-for-strangers" in anchors(ROOT / "docs" / "serving.md")
    assert "no-such-heading" not in anchors(ROOT / "docs" / "serving.md")
    assert LINK.findall("see [a](b.md#c) and [d](https://e)") == ["b.md#c", "https://e"]


# -- commands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_blocks_are_ones_that_the_program_takes(page: Path) -> None:
    for language, code in blocks(page):
        if language == "text":  # a picture or an output
            continue
        for verb, *arguments in filter(None, commands(code)):
            assert verb in COMMANDS, f"tritonzoo {verb}: there are {', '.join(COMMANDS)}"
            COMMANDS[verb].make_context(verb, arguments)  # parses, runs nothing; raises on what is wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_sentences_have_the_options_that_they_are_given(page: Path) -> None:
    for span in CODE_SPAN.findall(FENCE.sub("", page.read_text("utf-8"))):
        for verb, *arguments in filter(None, commands(span.replace("\n", " "))):
            assert verb in COMMANDS, f"`{span}`: there are {', '.join(COMMANDS)}"
            known = {option for parameter in COMMANDS[verb].params for option in parameter.opts}
            given = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
            assert given <= known, f"`{span}`: there are {', '.join(sorted(known))}"


def test_commands_are_found_where_they_stand() -> None:
    code = "x | tritonzoo infer p --json -  # say\ntritonzoo pull a && tritonzoo convert a\nit isn't tritonzoo's\n"
    assert list(commands(code)) == [["infer", "p", "--json", "-"], ["pull", "a"], ["convert", "a"]]


# -- configurations and data types ---------------------------------------------------------------------


def pbtxt_fragments() -> list[tuple[str, str]]:
    return [(name_of(page), code) for page in PAGES for language, code in blocks(page) if language == "pbtxt"]


@pytest.mark.parametrize("fragment", pbtxt_fragments(), ids=lambda fragment: fragment[0])
def test_configurations_are_what_triton_parses(fragment: tuple[str, str]) -> None:
    config = text_format.Parse(fragment[1], model_config_pb2.ModelConfig())
    assert config.ListFields()


def data_types() -> dict[str, list[str]]:
    rows = table("pbtxt.md", "| config.pbtxt | on the wire")
    return {
        names_in(first)[0]: [cell.partition(",")[0].split(" ")[0] for cell in rest] for first, *rest in rows
    }


def test_the_table_of_data_types_has_every_type_of_triton() -> None:
    assert set(data_types()) == set(model_config_pb2.DataType.keys()) - {"TYPE_INVALID"}


def test_the_table_of_data_types_agrees_with_the_client() -> None:
    for declared, (wire, numpy, *_) in data_types().items():
        assert wire == ("BYTES" if declared == "TYPE_STRING" else declared.removeprefix("TYPE_"))
        assert np.dtype(triton_to_np_dtype(wire)).name == numpy, declared


def test_the_table_of_data_types_agrees_with_onnx() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed; pip install 'tritonzoo[convert]'")
    for declared, (wire, _, name, _) in data_types().items():
        number = onnx.TensorProto.DataType.Value(name)
        known = np.dtype(triton_to_np_dtype(wire))
        assert onnx.helper.tensor_dtype_to_np_dtype(number) == known, declared


def test_the_table_of_data_types_agrees_with_the_check_before_a_tensorrt_build() -> None:
    from tritonzoo.tensorrt.graph_faults import _READABLE_TYPES

    assert {onnx for _, _, onnx, tensorrt in data_types().values() if tensorrt != "-"} == set(_READABLE_TYPES)


# -- tables of fields ----------------------------------------------------------------------------------


def test_every_field_of_a_recipe_is_explained_and_no_other() -> None:
    rows = table("conversion.md", "| field | meaning |", section="## The recipe")
    explained = {name for cell, *_ in rows for name in names_in(cell)}
    assert explained == {field.name for field in dataclasses.fields(Recipe)} | {
        "load",
        "samples",
        "golden",
        "task",
    }


def test_every_field_of_a_ledger_entry_is_explained_and_no_other() -> None:
    rows = table("conversion.md", "| field | meaning |", section="## The ledger")
    explained = {name for cell, *_ in rows for name in names_in(cell)}
    assert explained == {field.name for field in dataclasses.fields(Entry)}


@pytest.mark.parametrize(
    ("guide", "pipelines"),
    [
        ("audio.md", ("ensemble_vad", "vad_stream")),
        ("transcription.md", ("ensemble_transcription", "transcription_stream")),
    ],
)
def test_every_request_parameter_is_explained_and_no_other(guide: str, pipelines: tuple[str, ...]) -> None:
    explained = {name for cell, *_ in table(guide, "| parameter | default |") for name in names_in(cell)}
    assert explained == {name for each in pipelines for name in parameters(REPOSITORY.model(each))}


def test_every_parameter_of_the_decoder_is_explained_and_no_other() -> None:
    explained = {
        name for cell, *_ in table("whisper.md", "| parameter | default |") for name in names_in(cell)
    }
    assert explained == set(DECODER_PARAMETERS)


def test_every_rule_of_explain_is_explained_and_no_other() -> None:
    explained = {name for cell, *_ in table("benchmarking.md", "| rule |") for name in names_in(cell)}
    assert explained == {rule.__name__ for rule in RULES}


def test_every_bound_of_a_soak_is_explained_and_no_other() -> None:
    rows = [cell for cell, *_ in table("benchmarking.md", "| must hold |")]
    assert rows == [check.what for check in judge([], {}, {}, (0.0, 1.0))]


def test_every_serving_profile_is_explained_and_no_other() -> None:
    rows = table("conversion.md", "| profile | serves")
    named: list[str] = []
    for cell, *_ in rows:
        names = names_in(cell)
        named += [names[0].rsplit("-", 1)[0] + name if name.startswith("-") else name for name in names]
    assert sorted(named) == sorted(PROFILES)
