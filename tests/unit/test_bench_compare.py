"""Two benchmarks side by side, as a table and as a picture."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.test_bench_arithmetic import figures, window
from tritonzoo.bench.accuracy import Accuracy
from tritonzoo.bench.command import BenchCommand, run_bench
from tritonzoo.bench.compare import differences, p50_ms, pairs, print_comparison
from tritonzoo.bench.figures import Figures, Point
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.plot import plot
from tritonzoo.errors import BenchError

ONE, MANY = Load("concurrency", 1), Load("concurrency", 16)
SLOW = figures(Point(ONE, [window(20), window(22)]), Point(MANY, [window(40), window(60)]))
FAST = figures(Point(MANY, [window(50), window(90)]), Point(ONE, [window(40), window(44)]))


def test_loads_are_paired_by_what_they_are_not_by_their_place() -> None:
    one, many = pairs(SLOW, FAST)

    assert (one.first.load, one.throughput_ratio) == (ONE, 2)
    assert (many.first.load, many.throughput_ratio) == (MANY, 1.4)
    assert one.latency_ratio(p50_ms) == 1


def test_a_difference_within_the_repeats_is_marked_as_what_may_be_chance() -> None:
    one, many = pairs(SLOW, FAST)

    assert not one.throughputs_overlap
    assert many.throughputs_overlap


def test_benchmarks_without_a_common_load_are_refused() -> None:
    with pytest.raises(BenchError, match="the same --concurrency or --rate"):
        pairs(figures(Point(ONE, [window(1)])), figures(Point(MANY, [window(1)])))


def test_what_was_not_alike_is_told() -> None:
    other = replace(
        FAST,
        environment={**FAST.environment, "processor": "Q"},
        options={**FAST.options, "protocol": "http"},
        inputs={"count": 6, "from": "elsewhere"},
    )

    assert differences(SLOW, FAST) == []
    assert differences(SLOW, other) == [
        "processor: P and Q", "protocol: grpc and http", "inputs: 5 from data_samples and 6 from elsewhere",
    ]  # fmt: skip


def saved(tmp_path: Path) -> tuple[Path, Path]:
    right = Accuracy("label accuracy", 0.5, 8)
    judged = figures(Point(MANY, [window(50, accuracy=right), window(90)]))
    SLOW.save(tmp_path / "before.json")
    judged.save(tmp_path / "after.json")
    return tmp_path / "before.json", tmp_path / "after.json"


def test_the_table_shows_both_the_ratio_and_accuracy_beside_speed(tmp_path: Path) -> None:
    console = Console(record=True, width=80)

    print_comparison(*saved(tmp_path), console)

    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["before", "after", "second", "to", "first"] in lines
    assert ["answers", "a", "second", "25.0", "35.0", "~", "1.40"] in lines
    assert ["label", "accuracy", "50.0", "%"] in lines


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    plot({"before": SLOW, "after": FAST}, tmp_path / "p.svg")

    drawn = (tmp_path / "p.svg").read_text()
    assert "<svg" in drawn
    assert len(drawn) > 10_000


def test_a_picture_of_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="png"):
        plot({"one": SLOW}, tmp_path / "p.docx")


@pytest.mark.parametrize(
    ("given", "remedy"),
    [({"plot": "p.docx"}, "a picture is one of"), ({"save": "none/f.json"}, "make it first")],
)
def test_what_could_not_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], remedy: str
) -> None:
    monkeypatch.setattr("tritonzoo.bench.command.target", lambda *_: pytest.fail("a server was started"))
    wanted = BenchCommand(**{name: tmp_path / path for name, path in given.items()})

    with pytest.raises(BenchError, match=remedy):
        run_bench("ensemble_words", BenchOptions((ONE,)), wanted)


def test_without_matplotlib_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(BenchError, match=r"pip install 'tritonzoo\[bench\]'"):
        plot({"one": Figures(**vars(SLOW))}, tmp_path / "p.png")
