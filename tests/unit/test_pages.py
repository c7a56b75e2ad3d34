"""The pages of pipelines are what the tree says: of a small tree to the letter, of this one in whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.unit.check_tree import write_check_tree
from tritonzoo.cli import app
from tritonzoo.errors import RepositoryError
from tritonzoo.pages import differences, pages, write
from tritonzoo.pages.calls import generic_python
from tritonzoo.pages.markdown import BEGIN, END, table, with_marked
from tritonzoo.pages.parameters import parameters, shown
from tritonzoo.pages.proofs import proved
from tritonzoo.pages.steps import diagram
from tritonzoo.pages.tables import callable_models
from tritonzoo.pages.tensors import grouped, inputs, outputs
from tritonzoo.pages.weights import in_short
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
TREE = Repository.find(ROOT)
PIPELINES = callable_models(TREE)
FIGURE = re.compile(r"\d+(?:\.\d+)?")

MODEL = """from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    @staticmethod
    def read_parameters(sent):
        sent.whole("words", 3, least=1, most=9, means="at most so many | none more")
        sent.rest()
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The tree of `check`'s tests with samples and a README to write into."""
    root = write_check_tree(tmp_path)
    (root / "data_samples" / "classify").mkdir(parents=True)
    (root / "data_samples" / "classify" / "texts.txt").write_text("a longer text\nso-so\n")
    (root / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    (root / "ensembles" / "ask" / "1" / "model.py").write_text(MODEL)
    monkeypatch.chdir(root)
    return Repository(root)


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["docs", *options], catch_exceptions=False)


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


# -- this tree -----------------------------------------------------------------------------------------


def test_every_page_and_table_of_this_tree_is_fresh() -> None:
    assert differences(TREE) == "", "stale; mend it with: tritonzoo docs"


def test_every_pipeline_has_calls_in_shell_and_python_that_can_be_tried() -> None:
    for pipeline, text in zip(PIPELINES, pages(TREE).values(), strict=False):
        calls = section(text, "Call it")
        assert "```sh\n" in calls and "```python\n" in calls, pipeline.name
        for named in re.findall(r"data_samples/[\w./]+", calls):
            assert (ROOT / named).is_file(), named


def test_what_is_said_in_short_is_said_where_it_was_measured() -> None:
    """Each figure stands in the README itself, below that line, or in the committed ledger."""
    found = {said.readme: said for pipeline in PIPELINES for said in in_short(TREE, pipeline)}

    assert len(found) == 5
    for readme, said in found.items():
        rest = readme.read_text("utf-8").replace(said.measured, "")
        ledger = " ".join(" ".join(row.values()) for row in proved(ROOT).get(readme.parent.name, ()))
        for figure in FIGURE.findall(said.measured):
            pattern = rf"(?<![\d.]){re.escape(figure)}(?![\d.]*\d)"
            assert re.search(pattern, f"{rest} {ledger}"), f"{readme}: {figure} is measured nowhere"


def test_the_meaning_of_every_tensor_is_found() -> None:
    described = [each for pipeline in PIPELINES for each in (*inputs(pipeline), *outputs(pipeline))]

    assert len(described) > 60
    assert [each.name for each in described if not each.meaning] == []


# -- a small tree --------------------------------------------------------------------------------------


def test_a_page_has_the_contract_with_its_meanings(small: Repository) -> None:
    text = pages(small)[small.root / "docs" / "pipelines" / "classify.md"]

    assert text.startswith("# classify\n")
    assert "A text to the class that it is most probably of." in text
    assert "1 to 16 rows" in text
    assert "| `text` | BYTES | [batch, 1] | UTF-8 text |" in section(text, "Takes")
    assert "| `probabilities` | FP32 | [batch, 3] | classes, sum 1 |" in section(text, "Gives")
    assert "| `scores` | starter |" in section(text, "Weights and licence")
    assert "Request parameters" not in text


def test_the_shortest_sample_is_what_a_page_sends(small: Repository) -> None:
    text = section(pages(small)[small.root / "docs" / "pipelines" / "classify.md"], "Call it")

    assert """curl --json '{"text": "so-so"}' localhost:8000/v2/models/classify/generate""" in text
    assert "tritonzoo infer classify so-so" in text
    assert """client.infer("classify", {"text": "so-so"})""" in text
    compile(generic_python(small, small.model("classify")), "page", "exec")


def test_a_block_of_the_readme_takes_the_place_of_the_made_one(small: Repository) -> None:
    (small.root / "ensembles" / "classify" / "README.md").write_text(
        "# classify\n\n```python\nprint('by hand')\n```\n"
    )

    text = section(pages(small)[small.root / "docs" / "pipelines" / "classify.md"], "Call it")

    assert "print('by hand')" in text
    assert "client.infer" not in text


def test_the_diagram_joins_the_steps_by_the_tensors_between_them(small: Repository) -> None:
    lines = [line.strip() for line in diagram(small.model("classify")).splitlines()]

    assert lines[:2] == ["```mermaid", "flowchart LR"]
    assert {"in --> 0", '0 -->|"ids, mask"| 1', '1 -->|"probabilities"| 2', '2 -->|"label"| out'} <= set(
        lines
    )
    assert '1 -->|"probabilities"| out' in lines


def test_a_pipeline_in_python_is_drawn_with_what_it_calls(small: Repository) -> None:
    lines = [line.strip() for line in diagram(small.model("ask")).splitlines()]

    assert {'0 <--> 1["tokens"]', '0 <--> 2["scores"]', "in --> 0", "0 --> out"} <= set(lines)


def test_parameters_are_those_that_the_code_asks_for(small: Repository) -> None:
    row = r"| `words` | a whole number from 1 to 9 | `3` | at most so many \| none more |"

    assert row in section(pages(small)[small.root / "docs" / "pipelines" / "ask.md"], "Request parameters")


def test_a_model_that_cannot_be_imported_is_told_with_its_file(small: Repository) -> None:
    (small.root / "ensembles" / "ask" / "1" / "model.py").write_text("import no_such_package\n")

    with pytest.raises(
        RepositoryError, match=r"ask/1/model.py: ModuleNotFoundError: No module named 'no_such"
    ):
        parameters(small.model("ask"))


def test_what_is_stale_is_shown_and_fails_and_then_written(small: Repository) -> None:
    stale = run("--check")

    assert stale.exit_code == 1
    assert "+# classify" in stale.output
    assert "-old" in stale.output
    assert "run: tritonzoo docs" in stale.output
    assert not (small.root / "docs" / "pipelines").exists(), "--check writes nothing"

    written = run()
    assert written.exit_code == 0
    assert "docs/pipelines/classify.md" in written.output
    assert run("--check").exit_code == 0
    text = (small.root / "README.md").read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| pipeline |")
    assert text.endswith(f"{END}\nafter\n")
    assert write(small) == []


def test_the_page_of_a_pipeline_that_is_gone_goes(small: Repository) -> None:
    write(small)
    left_over = small.root / "docs" / "pipelines" / "gone.md"
    left_over.write_text("# gone\n")

    assert "-# gone" in differences(small)
    assert write(small) == [left_over]
    assert not left_over.exists()


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_a_page_without_its_markers_is_told_where_to_put_them(text: str) -> None:
    with pytest.raises(RepositoryError, match="put them where the table belongs"):
        with_marked(text, "new", Path("page.md"))


def test_bars_in_cells_do_not_end_them() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n|---|---|\n| x\\|y | z |"


def test_three_names_of_one_first_word_are_told_as_one() -> None:
    assert grouped(["text", "word_a", "word_b", "word_c", "event_s", "event_x"]) == [
        "text",
        "word_*",
        "event_s",
        "event_x",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (float("inf"), "none"),
        (True, "true"),
        (0.5, "0.5"),
        (100.0, "100"),
        (1, "1"),
        ("", ""),
    ],
)
def test_defaults_are_told_as_they_would_be_sent(value: object, text: str) -> None:
    assert shown(value) == text
