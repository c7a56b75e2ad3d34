"""The arithmetic of a benchmark: percentiles, when requests are due, accuracy, Triton's counts, saved figures."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
from pathlib import Path

import numpy as np
import pytest

from tritonzoo.bench.accuracy import Accuracy, accuracy, measured_output, told, word_errors, words
from tritonzoo.bench.figures import Figures, Point, Window
from tritonzoo.bench.latency import Latency, median, percentile
from tritonzoo.bench.options import BenchOptions, Load, loads_of, parameters_of
from tritonzoo.bench.schedule import due_times_s
from tritonzoo.bench.triton_statistics import Counts, counts, difference
from tritonzoo.client import Pipeline, Tensor
from tritonzoo.errors import BenchError

# -- percentiles ---------------------------------------------------------------------------------------


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    hundred = [float(value) for value in range(1, 101)]

    assert [percentile(hundred, share) for share in (0, 1, 50, 90, 99, 100)] == [1, 1, 50, 90, 99, 100]
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0


def test_percentiles_agree_with_numpy_on_any_latencies() -> None:
    draw = random.Random(3)
    values = sorted(draw.expovariate(1.0) for _ in range(997))

    for share in (1, 50, 90, 99, 99.9, 100):
        expected = np.percentile(values, share, method="inverted_cdf")
        assert percentile(values, share) == pytest.approx(expected)


def test_latencies_come_in_any_order_and_are_told_in_milliseconds() -> None:
    latency = Latency.of([0.003, 0.001, 0.002])

    assert latency == Latency(mean_ms=pytest.approx(2.0), p50_ms=2.0, p90_ms=3.0, p99_ms=3.0, max_ms=3.0)


def test_where_nothing_was_answered_no_latency_is_made_up() -> None:
    assert all(map(math.isnan, vars(Latency.of([])).values()))
    assert median([math.nan, None]) is None
    assert median([math.nan, 3.0, None, 1.0]) == 2.0


# -- the open loop -------------------------------------------------------------------------------------


def test_constant_arrivals_are_evenly_apart() -> None:
    assert list(due_times_s(4, 1.0, "constant", seed=0)) == [0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_the_rate_and_the_spread_of_independent_users() -> None:
    due_s = list(due_times_s(50, 400, "poisson", seed=1))
    gaps = [after - before for before, after in itertools.pairwise(due_s)]

    assert len(due_s) == pytest.approx(50 * 400, rel=0.03)
    assert min(gaps) >= 0
    assert statistics.stdev(gaps) == pytest.approx(
        statistics.fmean(gaps), rel=0.05
    )  # as exponential ones have


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    first, again, other = (list(due_times_s(10, 5, "poisson", seed)) for seed in (1, 1, 2))

    assert first == again != other


# -- options -------------------------------------------------------------------------------------------


def test_loads_are_read_from_a_command_line() -> None:
    assert loads_of(("1", "16"), ()) == (Load("concurrency", 1), Load("concurrency", 16))
    assert loads_of((), ("0.5",)) == (Load("rate", 0.5),)
    assert loads_of((), ()) == (Load("concurrency", 1),)
    assert [str(load) for load in (*loads_of(("1", "4"), ()), Load("rate", 2.5))] == [
        "1 client",
        "4 clients",
        "2.5/s",
    ]


@pytest.mark.parametrize(
    ("concurrency", "rates", "remedy"),
    [
        (("1",), ("5",), "give one of them"),
        (("0",), (), "whole numbers of clients"),
        (("1.5",), (), "whole numbers of clients"),
        ((), ("-3",), "requests a second"),
        (("many",), (), "--concurrency 1,4,16"),
    ],
)
def test_a_load_that_cannot_be_is_refused_with_one_that_can(concurrency, rates, remedy) -> None:
    with pytest.raises(BenchError, match=remedy):
        loads_of(concurrency, rates)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"protocol": "rest"}, "grpc or http"),
        ({"arrivals": "bursts"}, "poisson or constant"),
        ({"seconds": 0}, "seconds are above 0"),
        ({"repeats": 0}, "at least one repeat"),
        ({"generator": "ab"}, "own or perf_analyzer"),
        ({"generator": "perf_analyzer", "parameters": {"language": "en"}}, "leave --generator out"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_those_that_can(options, remedy) -> None:
    with pytest.raises(BenchError, match=remedy):
        BenchOptions((Load("concurrency", 1),), **options)


def test_parameters_are_what_they_look_like() -> None:
    given = ["language=en", "vad=false", "beam_size=5", "offset=-3", "prompt=a=b", "ratio=0.5"]

    assert parameters_of(given) == {
        "language": "en", "vad": False, "beam_size": 5, "offset": -3, "prompt": "a=b", "ratio": "0.5",
    }  # fmt: skip
    with pytest.raises(BenchError, match="name=value"):
        parameters_of(["language"])


# -- accuracy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "written", "errors"),
    [
        ("one two three", "one two three", 0),
        ("one two three", "one too three", 1),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "", 3),
        ("", "one two", 2),
        ("a b c d", "b c d a", 2),
    ],
)
def test_word_errors_are_the_fewest_edits(said: str, written: str, errors: int) -> None:
    assert word_errors(said.split(), written.split()) == errors
    assert word_errors(written.split(), said.split()) == errors


def test_the_word_error_rate_counts_all_words_of_all_texts_and_no_punctuation() -> None:
    pairs = [("Seven, three; nine.", "seven three nine"), ("one", "two")]

    assert accuracy("text", pairs) == Accuracy("word error rate", 0.25, 2)
    assert words("It's 5 o'clock!") == ["it's", "5", "o'clock"]


def test_label_accuracy_is_the_share_that_is_exactly_right() -> None:
    assert accuracy("label", [("a", "a"), ("b", "c"), ("d", "d"), ("e", "E")]) == Accuracy(
        "label accuracy", 0.5, 4
    )
    assert accuracy("label", []) is None
    assert told(np.array([[b"positive"]], dtype=object)) == "positive"


def test_a_pipeline_whose_answers_are_no_label_and_no_text_cannot_be_right_or_wrong() -> None:
    embedding = Pipeline("p", (), (Tensor("embedding", "FP32", (384,)),), max_batch_size=1)

    with pytest.raises(BenchError, match="leave --labels out"):
        measured_output(embedding)


# -- Triton's counts -----------------------------------------------------------------------------------

OVER_GRPC = {  # whole numbers as text, and nothing that is 0
    "name": "encoder", "version": "1", "inference_count": "12", "execution_count": "4",
    "inference_stats": {
        "success": {"count": "10", "ns": "5000000"}, "queue": {"count": "10", "ns": "1000000"},
        "compute_input": {"count": "10", "ns": "100"}, "compute_infer": {"count": "10", "ns": "3000000"},
        "compute_output": {"count": "10"}, "fail": {"count": "2", "ns": "7"},
    },
}  # fmt: skip
OVER_HTTP = {
    "name": "encoder", "version": "1", "inference_count": 12, "execution_count": 4,
    "inference_stats": {
        "success": {"count": 10, "ns": 5000000}, "queue": {"count": 10, "ns": 1000000},
        "compute_input": {"count": 10, "ns": 100}, "compute_infer": {"count": 10, "ns": 3000000},
        "compute_output": {"count": 10, "ns": 0}, "fail": {"count": 2, "ns": 7},
    },
}  # fmt: skip
COUNTED = Counts(10, 2, 12, 4, 5_000_000, 1_000_000, 100, 3_000_000, 0)


def test_counts_are_the_same_over_both_protocols() -> None:
    assert counts([OVER_GRPC]) == counts([OVER_HTTP]) == {"encoder": COUNTED}
    assert COUNTED.batch_size == 3


def test_versions_of_a_model_are_counted_together() -> None:
    assert counts([OVER_GRPC, {**OVER_GRPC, "version": "2"}]) == {"encoder": COUNTED + COUNTED}


def test_what_happened_between_two_readings_leaves_out_who_did_nothing() -> None:
    before = {"encoder": COUNTED, "idle": Counts(1)}
    after = {"encoder": COUNTED + Counts(requests=3), "idle": Counts(1), "new": Counts(2)}

    assert difference(after, before) == {"encoder": Counts(requests=3), "new": Counts(2)}
    assert Counts().batch_size is None


# -- figures -------------------------------------------------------------------------------------------


def window(answered: int, errors: int = 0, **fields: object) -> Window:
    return Window(2.0, answered, errors, Latency(3.0, 2.0, 4.0, 9.0, 10.0), **fields)


def test_a_points_figure_is_the_median_of_its_windows() -> None:
    point = Point(Load("rate", 10), [window(20), window(40, errors=2), window(10, errors=1)])

    assert point.throughput_per_s == 10
    assert point.throughput_range == (5, 20)
    assert point.errors == 3
    assert point.middle(lambda one: one.memory_bytes) is None


def test_accuracy_weighs_windows_by_their_answers() -> None:
    few, many = Accuracy("label accuracy", 0.0, 1), Accuracy("label accuracy", 1.0, 3)
    point = Point(Load("rate", 10), [window(1, accuracy=few), window(3, accuracy=many), window(0)])

    assert point.accuracy == Accuracy("label accuracy", 0.75, 4)


def figures(*points: Point, **fields: object) -> Figures:
    return Figures(
        **{
            "pipeline": "ensemble_words",
            "date": "2025-01-01T00:00:00+00:00",
            "options": {
                "protocol": "grpc",
                "seconds": 2.0,
                "repeats": 1,
                "arrivals": "poisson",
                "generator": "own",
            },
            "inputs": {"count": 5, "from": "data_samples"},
            "environment": {"processor": "P", "cores": 2, "flags": ["avx2"]},
            "points": points,
            **fields,
        }
    )


def test_figures_are_read_as_they_were_saved(tmp_path: Path) -> None:
    full = window(
        7,
        1,
        steps={"encoder": COUNTED},
        padding={"encoder": 0.125},
        cpu_s_per_request=0.5,
        memory_bytes=1000,
        audio_s_per_s=2.5,
        accuracy=Accuracy("label accuracy", 0.5, 2),
        other_cores=0.25,
    )
    empty = Window(2.0, 0, 3, Latency.of([]))
    saved = figures(Point(Load("concurrency", 4.0), [full], "boom"), Point(Load("rate", 2.0), [empty]))

    saved.save(tmp_path / "f.json")
    read = Figures.read(tmp_path / "f.json")

    assert read.points[0] == saved.points[0]
    assert math.isnan(read.points[1].windows[0].latency.p99_ms)
    assert read.points[0].batch_sizes() == {"encoder": 3}
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["points"][0]["p99_ms"] == 9.0
    assert written["points"][1]["p99_ms"] is None


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}', "[1]", '{"format": 1, "points": 3}'])
def test_a_file_that_is_not_a_saved_benchmark_is_told_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "f.json").write_text(content)

    with pytest.raises(BenchError, match=r"f\.json"):
        Figures.read(tmp_path / "f.json")
    with pytest.raises(BenchError, match="--save"):
        Figures.read(tmp_path / "none.json")
