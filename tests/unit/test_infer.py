"""`tritonzoo infer` over a server that is a dictionary of functions."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from tests.unit.client_pipelines import fake
from tritonzoo.client import Client, FakeTransport, Pipeline, Tensor
from tritonzoo.errors import InvalidInputError, NotFoundError
from tritonzoo.infer import infer
from tritonzoo.infer.rendering import Outcome, print_table


def run(pipeline, arguments, *, stdin=b"", as_json=False, transport=None):
    """Return whether all was answered, and what was printed."""
    printed = io.StringIO()
    answered = infer(
        pipeline,
        arguments,
        as_json=as_json,
        client=Client(transport=transport or fake()),
        stdin=io.BytesIO(stdin),
        console=Console(file=printed, width=150),
    )
    return answered, printed.getvalue()


def run_json(*arguments, **options):
    answered, printed = run(*arguments, as_json=True, **options)
    return answered, [json.loads(line) for line in printed.splitlines()]


def test_each_text_is_a_request_and_a_row_of_the_table():
    answered, printed = run("ensemble_sentiment", ["good [b]", "bad"])
    assert answered
    for cell in (
        "input",
        "label",
        "score",
        "probabilities",
        "ms",
        "good [b]",
        "positive",
        "negative",
        "0.75",
    ):
        assert cell in printed


def test_json_has_one_object_a_line_with_arrays_in_full():
    answered, lines = run_json("ensemble_handwriting", ["-"], stdin=b"PNGc\x00\n")
    assert answered
    (line,) = lines
    assert line["outputs"]["label"] == "c"
    assert line["outputs"]["score"] == 1.0
    assert len(line["outputs"]["probabilities"]) == 26
    assert line["latency_ms"] > 0


def test_lines_of_standard_input_are_texts_of_their_own_and_blank_ones_are_none():
    transport = fake()
    answered, lines = run_json(
        "ensemble_embedding",
        ["first", "-"],
        stdin="zweite\r\n\n  \n\xff".encode("latin-1"),
        transport=transport,
    )
    assert answered
    assert [line["input"] for line in lines] == ["first", "zweite", "�"]
    assert [inputs["text"].item() for _, inputs in transport.requests] == [b"first", b"zweite", b"\xff"]


def test_standard_input_is_taken_as_bytes_for_a_file():
    transport = fake()
    image = b"PNGa\r\n\x00\xff\n"
    assert run("ensemble_handwriting", ["-"], stdin=image, transport=transport)[0]
    assert transport.requests[0][1]["image"].item() == image


def test_a_text_that_names_a_file_is_the_files_content(tmp_path):
    (tmp_path / "review.txt").write_bytes(b"good\nall over")
    transport = fake()
    answered, lines = run_json("ensemble_sentiment", [str(tmp_path / "review.txt")], transport=transport)
    assert answered
    assert transport.requests[0][1]["text"].item() == b"good\nall over"
    assert lines[0]["input"].endswith("review.txt")


def test_each_failure_is_told_and_the_others_are_answered(tmp_path):
    (tmp_path / "a.png").write_bytes(b"PNGa")
    (tmp_path / "b.png").write_bytes(b"not one")
    paths = [str(tmp_path / name) for name in ("gone.png", "b.png", "a.png")]
    answered, printed = run("ensemble_handwriting", paths)
    assert not answered
    assert "there is no file" in printed
    assert "image is not a PNG file; send one" in printed
    assert printed.count("failed") == 2
    answered, lines = run_json("ensemble_handwriting", paths)
    assert not answered
    assert [line.get("kind") for line in lines] == ["InvalidInputError", "InvalidInputError", None]
    assert lines[1]["error"] == "image is not a PNG file; send one"
    assert lines[2]["outputs"]["label"] == "a"


def test_other_tensors_are_set_by_name():
    answered, lines = run_json("double", ["x=[1, 2.5]", "n=3"])
    assert answered
    assert lines[0]["outputs"]["y"] == [2.0, 5.0]


def test_a_file_and_the_text_about_it_go_together(tmp_path):
    (tmp_path / "said.wav").write_bytes(b"RIFF")
    heard = []

    def score(inputs):
        heard.append({name: array.item() for name, array in inputs.items()})
        return {"score": inputs["audio"] == b"RIFF"}

    pipeline = Pipeline(
        "ensemble_pronunciation",
        (Tensor("audio", "BYTES", (1,)), Tensor("text", "BYTES", (1,))),
        (Tensor("score", "BOOL", (1,)),),
        max_batch_size=0,
    )
    transport = FakeTransport({pipeline: score})
    answered, lines = run_json(
        pipeline.name, [str(tmp_path / "said.wav"), "text=so be it"], transport=transport
    )
    assert answered
    assert heard == [{"audio": b"RIFF", "text": b"so be it"}]
    assert lines[0]["outputs"] == {"score": True}


@pytest.mark.parametrize(
    ("pipeline", "arguments", "complaint"),
    [
        ("double", ["hello"], r"takes x FP32 \[-1\].* give each as name=value, not 'hello'"),
        ("double", ["x=one"], r"x=one is not JSON .* like x=\[1, 2\]"),
        ("ensemble_sentiment", [], "needs a text; give one, or - for standard input"),
        ("ensemble_handwriting", [], "needs a file for image"),
        ("ensemble_sentiment", ["-", "-"], "only once"),
    ],
)
def test_arguments_that_fit_no_input_are_refused_with_what_would(pipeline, arguments, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        run(pipeline, arguments)


def test_an_unknown_pipeline_is_told_with_those_there_are():
    with pytest.raises(NotFoundError, match="this server has the pipelines ensemble_embedding"):
        run("ensemble_nothing", ["x"])


def test_bytes_that_are_no_text_and_numbers_that_json_lacks_are_still_json():
    pipeline = Pipeline("ensemble_x", (Tensor("text", "BYTES", (1,)),), (), max_batch_size=0)
    outputs = {
        "sound": np.array([b"\xff\x00"], object),
        "numbers": np.array([[0.1, np.nan], [np.inf, 2]], np.float32),
        "empty": np.zeros((0,), np.float32),
    }
    transport = FakeTransport({pipeline: lambda inputs: outputs})
    _, lines = run_json("ensemble_x", ["x"], transport=transport)
    assert lines[0]["outputs"] == {
        "sound": {"base64": "/wA="},
        "numbers": [[0.1, None], [None, 2.0]],
        "empty": [],
    }
    _, printed = run("ensemble_x", ["x"], transport=transport)
    assert "2 bytes" in printed


def test_a_pipeline_with_many_outputs_is_told_an_output_a_line():
    outputs = {f"output_{number}": np.array([number]) for number in range(9)} | {"none": np.array([])}
    written = io.StringIO()
    print_table(
        [Outcome("talk.mp3", outputs, 12.5)], "ensemble_transcription", Console(file=written, width=60)
    )
    text = written.getvalue()
    assert text.startswith("ensemble_transcription  talk.mp3  12.5 ms")
    assert re.search(r"│ output_8 +│ 8 +│", text)
    assert re.search(r"│ none +│ none +│", text)


def test_files_of_one_folder_are_told_by_name_under_it_and_long_arrays_by_their_beginning():
    def table(*paths: str) -> str:
        outputs = {
            "embedding": np.array([0.12345, -1, 2, 3, 4], np.float32),
            "pair": np.float32([0.25, 0.125]),
        }
        written = io.StringIO()
        outcomes = [Outcome(path, outputs, 12.5, is_file=True) for path in paths]
        print_table(outcomes, "ensemble_x", Console(file=written, width=80))
        return written.getvalue()

    together = table("samples/a.png", "samples/b.png")
    assert together.startswith("ensemble_x  samples")
    assert "│ a.png " in together
    assert "│ 0.123, -1, ... (5) │ 0.25, 0.125 │" in together
    assert "│ other/b.png " in table("samples/a.png", "other/b.png")
