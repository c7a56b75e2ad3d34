"""What `explain` makes of Triton's counts and traces: the time of each step, a picture, the same work alone."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.trees import sound_tree
from tritonzoo.bench.figures import Window
from tritonzoo.bench.latency import Latency
from tritonzoo.bench.triton_statistics import Counts
from tritonzoo.errors import BenchError
from tritonzoo.explain.alone import alone, why_not
from tritonzoo.explain.observation import observation
from tritonzoo.explain.plot import plot
from tritonzoo.explain.table import rows
from tritonzoo.explain.timeline import timeline
from tritonzoo.explain.trace import Span, Trace, middle, read
from tritonzoo.repository import Repository

RECORDED = Path(__file__).parent / "recorded"
MS = 1_000_000

CHAIN = {
    "pipeline": {
        "platform": "ensemble",
        "max_batch_size": 8,
        "ensemble_scheduling": {"step": [{"model_name": "first"}, {"model_name": "second"}]},
    },
    "first": {"max_batch_size": 8, "dynamic_batching": {}, "instance_group": [{"count": 2}, {"count": 1}]},
    "second": {"max_batch_size": 0, "instance_group": [{"kind": "KIND_CPU"}]},
}
LOOP = {
    "pipeline": {"parameters": {"calls": {"string_value": "first, second"}}, "sequence_batching": {"iterative_sequence": True}},
    "first": CHAIN["first"],
    "second": {**CHAIN["second"], "sequence_batching": {"iterative_sequence": True}},
}  # fmt: skip
WINDOW = Window(
    seconds=2.0,
    answered=100,
    errors=0,
    latency=Latency(mean_ms=20.0, p50_ms=19.0, p90_ms=22.0, p99_ms=30.0, max_ms=31.0),
    steps={
        "pipeline": Counts(requests=100, inferences=100, executions=100, total_ns=100 * 18 * MS),
        "first": Counts(100, 0, 100, 25, 100 * 4 * MS, 100 * MS, 50 * MS, 200 * MS, 50 * MS),
        "second": Counts(200, 0, 200, 200, 200 * 6 * MS, 200 * 2 * MS, 0, 200 * 4 * MS, 0),
    },
    padding={"first": 0.1},
    cpu_s_per_request=0.03,
    other_cores=0.0,
)


def test_a_steps_time_is_what_it_adds_to_each_answer() -> None:
    seen = observation("pipeline", 1, WINDOW, CHAIN, {"first": "fp32"}, None, cores=2)

    first, second = seen.steps
    assert (first.calls, first.queue_ms, first.copies_ms, first.compute_ms, first.total_ms) == (1, 1, 1, 2, 4)
    assert (second.calls, second.queue_ms, second.compute_ms, second.total_ms) == (
        2,
        4,
        8,
        12,
    )  # called twice
    assert (first.batch, first.instances, first.precision, first.padding) == (4, 3, "fp32", 0.1)
    assert second.batch is None  # it takes requests one by one
    assert (first.has_batcher, second.has_batcher) == (True, False)


def test_the_whole_is_the_steps_what_is_between_and_what_is_outside() -> None:
    seen = observation("pipeline", 1, WINDOW, CHAIN, {}, {"first": 1.5, "second": 3.0}, cores=2)

    assert (seen.server_ms, seen.steps_ms, seen.between_ms, seen.outside_ms) == (18, 16, 2, 2)
    assert seen.steps_ms + seen.between_ms + (seen.outside_ms or 0) == seen.mean_ms
    assert seen.alone_ms == 4.5
    assert seen.server_cores == pytest.approx(1.5)


def test_rounds_of_an_iterative_sequence_are_no_requests() -> None:
    seen = observation("pipeline", 1, WINDOW, LOOP, {}, None, cores=2)

    assert seen.server_ms is None  # Triton's 18 ms are of rounds
    assert seen.outside_ms is None
    assert seen.steps_ms == 4  # the second is a sequence, too
    assert seen.between_ms == 16
    assert [row[:2] for row in rows(seen)] == [
        ["first", "1.0"], ["second", "rounds"], ["its own code", ""], ["[bold]a request[/]", ""],
    ]  # fmt: skip


def test_the_table_says_which_way_the_steps_and_the_whole_differ() -> None:
    within = observation("pipeline", 1, WINDOW, CHAIN, {}, None, cores=2)
    busy = {**WINDOW.steps, "second": Counts(200, 0, 200, 200, 200 * 9 * MS)}
    over = observation("pipeline", 1, Window(**{**vars(WINDOW), "steps": busy}), CHAIN, {}, None, cores=2)

    assert ["between the steps", "2.00"] in [[row[0], row[5]] for row in rows(within)]
    assert ["steps overlap by", "4.00"] in [[row[0], row[5]] for row in rows(over)]
    assert all(len(row) == 9 for row in rows(within))


# -- traces --------------------------------------------------------------------------------------------


def recorded() -> Trace:
    """A request to ensemble_handwriting, as Triton 24.10 wrote it."""
    (trace,) = read(json.loads((RECORDED / "trace_handwriting.json").read_text()), "ensemble_handwriting")
    return trace


def test_a_trace_holds_every_step_in_order_with_its_queue_copies_and_work() -> None:
    trace = recorded()

    assert list(dict.fromkeys(span.model for span in trace.spans)) == [
        "handwriting_image", "handwriting", "handwriting_label",
    ]  # fmt: skip
    for model in ("handwriting_image", "handwriting", "handwriting_label"):
        spans = [span for span in trace.spans if span.model == model]
        assert [span.kind for span in spans] == ["queue", "copy", "compute", "copy"]
        assert all(one.end_ms == other.start_ms for one, other in itertools.pairwise(spans))
    assert 0 < trace.spans[0].start_ms < trace.total_ms


def test_requests_to_other_pipelines_are_left_out() -> None:
    entries = json.loads((RECORDED / "trace_handwriting.json").read_text())

    assert list(read(entries, "ensemble_sentiment")) == []
    assert list(read(entries, "handwriting")) == []  # a step is no request of a client


def moments(request: int, *names_and_ms: tuple[str, int]) -> list[dict[str, object]]:
    return [{"id": request, "timestamps": [{"name": name, "ns": ms * MS}]} for name, ms in names_and_ms]


def test_rounds_of_one_request_are_spans_one_after_the_other() -> None:
    entries = [
        {"id": 7, "model_name": "loop", "model_version": 1},
        *moments(
            7, ("REQUEST_START", 10),
            ("QUEUE_START", 11), ("COMPUTE_START", 12), ("COMPUTE_INPUT_END", 13), ("COMPUTE_OUTPUT_START", 15), ("COMPUTE_END", 16),
            ("QUEUE_START", 17), ("COMPUTE_START", 20), ("COMPUTE_INPUT_END", 20), ("COMPUTE_OUTPUT_START", 25), ("COMPUTE_END", 26),
            ("INFER_RESPONSE_COMPLETE", 25), ("REQUEST_END", 27),
        ),
    ]  # fmt: skip

    (trace,) = read(entries, "loop")

    assert trace.total_ms == 15
    assert [(span.kind, span.start_ms, span.end_ms) for span in trace.spans] == [
        ("queue", 1, 2), ("copy", 2, 3), ("compute", 3, 5), ("copy", 5, 6),
        ("queue", 7, 10), ("copy", 10, 10), ("compute", 10, 15), ("copy", 15, 16),
    ]  # fmt: skip


def test_a_request_that_has_not_ended_is_no_trace() -> None:
    entries = [{"id": 1, "model_name": "loop"}, *moments(1, ("REQUEST_START", 1), ("QUEUE_START", 2))]

    assert list(read(entries, "loop")) == []


def test_the_middle_one_of_several_requests_is_shown() -> None:
    assert middle([]) is None
    found = middle([Trace(ms, []) for ms in (5.0, 1.0, 3.0)])
    assert found is not None
    assert found.total_ms == 3.0


def test_a_picture_in_text_has_a_line_for_each_model_at_its_time() -> None:
    spans = [
        Span("a", "queue", 0, 2),
        Span("a", "compute", 2, 5),
        Span("bb", "compute", 5, 9),
        Span("bb", "copy", 9, 10),
    ]
    lines = [line.plain for line in timeline(Trace(9.5, spans), width=14)]

    assert lines[1] == "a   ░░███"
    assert lines[2] == "bb       ████▒"
    assert "after 9.5 ms" in lines[3]


def test_the_shortest_span_is_seen_and_no_line_is_too_long() -> None:
    lines = [line.plain for line in timeline(recorded(), width=60)]

    assert all(len(line) <= 60 for line in lines[:-1])
    assert all("█" in line for line in lines[1:-1])


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    plot(recorded(), "one request", tmp_path / "p.png")

    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BenchError, match="png"):
        plot(recorded(), "one request", tmp_path / "p.docx")


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(BenchError, match=r"pip install 'tritonzoo\[bench\]'"):
        plot(recorded(), "one request", tmp_path / "p.png")


# -- the same work alone -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "member", "reason"),
    [
        ({}, {}, "loop in Python"),
        ({"platform": "ensemble"}, {"platform": "ensemble"}, "member m is a pipeline itself"),
        ({"platform": "ensemble"}, {"sequence_batching": {}}, "member m keeps requests"),
        ({"platform": "ensemble"}, {"model_transaction_policy": {"decoupled": True}}, "member m answers in a stream"),
        ({"platform": "ensemble"}, {"parameters": {"calls": {}}}, "member m calls others"),
        ({"platform": "ensemble"}, {}, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_done_in_one_process_says_why(pipeline, member, reason) -> None:
    told = why_not("p", {"p": pipeline, "m": member})

    assert reason in told
    assert bool(told) == bool(reason)


DOUBLE = """import time
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds})
        doubled = [2 * pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for y in doubled]
"""


def test_each_member_is_timed_by_itself_in_one_process(tmp_path: Path) -> None:
    tree = Repository(sound_tree(tmp_path))
    (tmp_path / "backends").mkdir(exist_ok=True)
    for name, seconds in (("double", 0.02), ("double_again", 0)):
        code = DOUBLE.format(seconds=seconds)
        (tree.model(name).folder / "1" / "model.py").write_text(code)
    wires = [
        {"model_name": "double_again", "input_map": {"x": "twice"}, "output_map": {"y": "z"}},
        {
            "model_name": "double",
            "input_map": {"x": "x"},
            "output_map": {"y": "twice"},
        },  # later, yet it runs first
    ]
    configs = {
        "quadruple": {"platform": "ensemble", "ensemble_scheduling": {"step": wires}},
        "double": {},
        "double_again": {},
    }

    took_ms = alone(tree, "", "quadruple", configs, [{"x": np.ones((1, 4), np.float32)}], seconds=0.1)

    assert took_ms["double"] >= 19
    assert took_ms["double_again"] < took_ms["double"]
