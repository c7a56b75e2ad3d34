"""What a benchmark sends: folders and files of texts, files, whole requests, and their labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.client_pipelines import DOUBLE, HANDWRITING, SENTIMENT
from tritonzoo.bench import apache, perf_analyzer
from tritonzoo.bench.inputs import inputs_of
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.errors import BenchError
from tritonzoo.repository import Repository
from tritonzoo.samples import samples

ROOT = Path(__file__).parents[2]
TREE = Repository(ROOT)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_texts_are_the_lines_of_every_text_file_below(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {"b.txt": "two\n\nthree\n", "a/a.txt": "one\n", "notes.md": "no\n", "c.json": "{}"}
    )

    found = inputs_of(SENTIMENT, folder, None)

    assert [one.name for one in found] == ["one", "two", "three"]
    assert [one.values for one in found] == [{"text": "one"}, {"text": "two"}, {"text": "three"}]


def test_files_go_as_they_are_and_are_called_by_their_path(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x/a.png": "A", "b.jpg": "B", "readme.md": "no", ".hidden": "no"})

    found = inputs_of(HANDWRITING, folder, None)

    assert {one.name: one.values for one in found} == {"b.jpg": {"image": b"B"}, "x/a.png": {"image": b"A"}}


def test_whole_requests_are_lines_of_json(tmp_path: Path) -> None:
    write(tmp_path, {"r.jsonl": '{"x": [1.5], "n": [2]}\n{"x": [2.5]}\n'})

    found = inputs_of(DOUBLE, tmp_path / "r.jsonl", None)

    assert [one.values for one in found] == [{"x": [1.5], "n": [2]}, {"x": [2.5]}]
    assert [one.name for one in found] == ["r.jsonl:1", "r.jsonl:2"]


@pytest.mark.parametrize(
    ("line", "remedy"), [("nothing", "a request a line"), ("[1]", 'as {"input": value}')]
)
def test_a_line_that_is_no_request_is_told_with_its_place(tmp_path: Path, line: str, remedy: str) -> None:
    write(tmp_path, {"r.jsonl": '{"x": [1.5]}\n' + line})

    with pytest.raises(BenchError, match=remedy) as raised:
        inputs_of(DOUBLE, tmp_path / "r.jsonl", None)
    assert "r.jsonl:2" in str(raised.value)


def test_labels_beside_the_inputs_are_found(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {"a.txt": "good\nbad\nunknown\n", "labels.tsv": "bad\tnegative\ngood\tpositive\n"}
    )

    assert {one.name: one.label for one in inputs_of(SENTIMENT, folder, None)} == {
        "good": "positive", "bad": "negative", "unknown": None,
    }  # fmt: skip


def test_labels_are_taken_from_elsewhere_when_they_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, {"in/a.png": "A", "in/labels.tsv": "a.png\tz\n", "other.tsv": "a.png\ta\n"})

    (one,) = inputs_of(HANDWRITING, folder / "in", folder / "other.tsv")

    assert one.label == "a"


@pytest.mark.parametrize(
    ("labels", "remedy"), [("c.png\tc\n", "no input is called 'c.png'"), ("a.png a\n", "a tab and its label")]
)
def test_labels_that_fit_no_input_are_told(tmp_path: Path, labels: str, remedy: str) -> None:
    folder = write(tmp_path, {"a.png": "A", "given/l.tsv": labels})
    (folder / "given" / "l.tsv").rename(tmp_path.parent / "l.tsv")

    with pytest.raises(BenchError, match=remedy):
        inputs_of(HANDWRITING, folder, tmp_path.parent / "l.tsv")


def test_a_folder_with_nothing_that_fits_says_what_would(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": "A"})

    with pytest.raises(BenchError, match=r"text: a \.txt, a text a line"):
        inputs_of(SENTIMENT, tmp_path, None)
    with pytest.raises(BenchError, match=r"x FP32 \[-1\].*\.jsonl with a request a line"):
        inputs_of(DOUBLE, tmp_path, None)
    with pytest.raises(BenchError, match="one that is there"):
        inputs_of(SENTIMENT, tmp_path / "none", None)


# -- the tree's own ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", TREE.pipelines.values(), ids=lambda pipeline: pipeline.name)
def test_the_benchmark_and_the_demo_send_the_same_samples(pipeline) -> None:
    folder = ROOT / "data_samples" / pipeline.name

    found = inputs_of(apache.described(pipeline), folder, None)

    assert [one.values for one in found] == [
        {sample.tensor: sample.value} for sample in samples(TREE, pipeline)
    ]


LABELLED = sorted(path.parent.name for path in ROOT.glob("data_samples/*/labels.tsv"))


def test_three_pipelines_have_labels() -> None:
    assert LABELLED == ["ensemble_handwriting", "ensemble_sentiment", "ensemble_transcription"]


@pytest.mark.parametrize("pipeline", LABELLED)
def test_every_sample_of_a_labelled_folder_has_its_label(pipeline: str) -> None:
    folder = ROOT / "data_samples" / pipeline

    assert all(one.label for one in inputs_of(apache.described(TREE.model(pipeline)), folder, None))


# -- Apache Benchmark ----------------------------------------------------------------------------------

POSTED = sorted(path.parent.name for path in ROOT.glob("data_samples/*/ab"))


@pytest.mark.parametrize("pipeline", POSTED)
def test_the_committed_bodies_are_those_of_the_samples(pipeline: str) -> None:
    """Made by: tritonzoo bench PIPELINE --ab data_samples/PIPELINE/ab"""
    described = apache.described(TREE.model(pipeline))
    folder = ROOT / "data_samples" / pipeline

    written = {path.name: path.read_text("utf-8") for path in (folder / "ab").iterdir()}

    assert written == apache.bodies(described, inputs_of(described, folder, None))


def test_a_body_is_what_tritons_http_endpoint_takes(tmp_path: Path) -> None:
    text, image = write(tmp_path / "t", {"a.txt": "Käse\n"}), write(tmp_path / "i", {"a.png": "A"})

    (body,) = apache.bodies(SENTIMENT, inputs_of(SENTIMENT, text, None)).values()
    (picture,) = apache.bodies(HANDWRITING, inputs_of(HANDWRITING, image, None)).values()

    assert json.loads(body) == {
        "inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["Käse"]}]
    }
    assert json.loads(picture)["inputs"][0]["data"] == ["QQ=="]


def test_two_inputs_do_not_overwrite_each_others_body(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.png": "A", "a.jpg": "B"})

    with pytest.raises(BenchError, match="rename one"):
        apache.bodies(HANDWRITING, inputs_of(HANDWRITING, folder, None))


# -- perf_analyzer -------------------------------------------------------------------------------------


def test_perf_analyzers_inputs_are_bytes_with_their_length() -> None:
    import numpy as np

    data = json.loads(perf_analyzer.input_data(SENTIMENT, [{"text": np.array([[b"ab"]], dtype=object)}]))

    assert data == {"data": [{"text": {"b64": "AgAAAGFi"}}]}


def test_perf_analyzer_is_not_asked_for_what_it_cannot_send() -> None:
    import numpy as np

    with pytest.raises(BenchError, match="leave --generator out"):
        perf_analyzer.input_data(DOUBLE, [{"x": np.zeros(3, np.float32)}])


def test_perf_analyzer_is_told_the_load() -> None:
    endpoint, files = Endpoint.parse("localhost:8001"), (Path("d.json"), Path("e.json"))
    loads = (Load("concurrency", 4), Load("rate", 12.5))
    options = BenchOptions(loads, seconds=6)

    clients, rate = (perf_analyzer.command("pa", "p", endpoint, load, options, *files) for load in loads)

    assert {"--concurrency-range=4", "--measurement-interval=2000", "-igrpc", "-ulocalhost:8001"} <= set(
        clients
    )
    assert {"--request-rate-range=12.5", "--request-distribution=poisson"} <= set(rate)


def test_perf_analyzers_export_is_read_although_answers_stand_in_it_as_bytes() -> None:
    requests = (
        b'{"timestamp":1000000000,"response_timestamps":[1500000000],"response_outputs":{"y":"\xff\x01\xfe"}},'
        b'{"timestamp":1250000000,"response_timestamps":[3000000000]},'
        b'{"timestamp":2000000000,"response_timestamps":[]}'
    )

    run = perf_analyzer.read(b'{"experiments":[{"requests":[' + requests + b"]}]}")

    assert run == perf_analyzer.Run(2.0, [0.5, 1.75])
    with pytest.raises(BenchError, match="cannot be read"):
        perf_analyzer.read(b'{"experiments":[]}')


def test_without_perf_analyzer_the_error_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(BenchError, match=r"docs/benchmarking\.md"):
        perf_analyzer.find()
