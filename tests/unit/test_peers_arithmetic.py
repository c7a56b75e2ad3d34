"""The arithmetic of bench/peers: rates, ratios, goals, settings, and the page that is made of saved figures."""

from __future__ import annotations

import random
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from bench.peers import figures as saved_figures
from bench.peers import page
from bench.peers.contender import Contender
from bench.peers.environments import REQUIREMENTS
from bench.peers.goals import goals, windows_of
from bench.peers.setup import Setup
from bench.peers.window import Spread, Window, middle, rate_per_s, ratios

from tritonzoo.bench.resources import Processor

ROOT = Path(__file__).parents[2]
NO_PROCESSOR = Processor(None, 0.0, 0.0)


def window(rate: float, p50_ms: float = 10.0, cpu_ms: float | None = 5.0) -> Window:
    return Window(rate, p50_ms, 2 * p50_ms, round(rate * 4), cpu_ms, 0.1, 0.02)


# -- rates -----------------------------------------------------------------------------------------------


def test_a_server_that_answers_batch_by_batch_gets_its_true_rate_wherever_the_window_begins() -> None:
    batch, cycle_s = 64, 0.7
    spans = [(cycle * cycle_s, (cycle + 1) * cycle_s) for cycle in range(20) for _ in range(batch)]

    for start_s in (1.0, 1.39, 1.41, 2.0, 2.1):
        assert rate_per_s(spans, start_s, start_s + 4.0) == pytest.approx(batch / cycle_s)


def test_where_latencies_vary_the_rate_is_that_of_counting_over_a_long_time() -> None:
    draw, spans = random.Random(1), []
    for _ in range(16):
        now_s = 0.0
        while now_s < 400:
            took_s = draw.uniform(0.01, 0.4)
            spans.append((now_s, now_s + took_s))
            now_s += took_s
    counted = sum(100 <= done < 300 for _, done in spans) / 200

    assert rate_per_s(spans, 100, 300) == pytest.approx(counted, rel=0.002)


def test_a_request_outside_the_window_does_not_count() -> None:
    assert rate_per_s([(0.0, 1.0), (5.0, 6.0)], 2.0, 4.0) == 0.0
    assert rate_per_s([(1.0, 3.0)], 2.0, 4.0) == pytest.approx(0.25)  # half of it, in two seconds


def test_percentiles_and_processor_time_are_of_the_window_alone() -> None:
    spans = [(0.0, 1.5), *((2.0 + i / 10, 2.0 + (i + 1) / 10) for i in range(20)), (4.0, 9.0)]

    found = Window.of(spans, 2.0, 4.0, Processor(server_s=1.0, generator_s=0.2, machine_s=1.5))

    assert found.p50_ms == pytest.approx(100)
    assert found.requests_per_s == pytest.approx(10)
    assert found.cpu_ms == pytest.approx(50)  # 1 s for 20 answers
    assert found.generator_cores == pytest.approx(0.1)
    assert found.other_cores == pytest.approx(0.15)


def test_a_window_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="make it longer"):
        Window.of([(0.0, 9.0)], 1.0, 2.0, NO_PROCESSOR)


# -- ratios and goals --------------------------------------------------------------------------------------


def test_a_ratio_is_taken_round_by_round_and_not_of_medians() -> None:
    ours = [window(100), window(300), window(110)]
    theirs = [window(50), window(100), window(100)]

    assert ratios(ours, theirs) == Spread(median=2.0, least=1.1, most=3.0)


def test_rounds_that_one_side_lacks_are_an_error() -> None:
    with pytest.raises(ValueError):
        ratios([window(1)], [window(1), window(2)])


def test_what_was_not_measured_has_no_median() -> None:
    assert middle([window(1, cpu_ms=None)], "cpu_ms") is None
    assert middle([window(1, cpu_ms=2), window(1, cpu_ms=4)], "cpu_ms") == 3


def figures(ours: float = 260.0, better: float = 100.0, p50_over_ms: float = 1.0) -> dict[str, Any]:
    """Saved figures of one section, as `Results` writes and reads them."""
    rates = {
        "tritonzoo-grpc": ours, "tritonzoo-http": 0.9 * ours, "infinity-torch": 90.0, "infinity-optimum": better,
        "limit": 300.0,
    }  # fmt: skip
    roles = {"tritonzoo-grpc": "ours", "tritonzoo-http": "ours", "limit": "limit"}
    points = [
        {
            "clients": clients,
            "windows": {
                key: [asdict(window(rate, 8.0 + (0 if key == "limit" else p50_over_ms)))] * 3
                for key, rate in rates.items()
            },
        }
        for clients in (1, 64)
    ]
    around = {
        "processor": "Some processor", "cores": 2, "flags": ["avx2"], "memory_gb": 8.0, "system": "Linux",
        "load_average": 0.0, "versions": {"onnxruntime": "1.23.2"}, "triton": "2.51.0", "commit": "0123456789ab",
        "profile": "cpu-fp32", "precisions": {"sentence_transformer": "fp32"},
    }  # fmt: skip
    contenders = [
        {
            **asdict(
                Contender(
                    key,
                    f"the one called {key}",
                    roles.get(key, "peer"),
                    "HTTP",
                    "--batch-size 8",
                    {"it": "1.2"},
                )
            ),  # type: ignore[arg-type]
            "memory_bytes": 123_000_000,
            "agrees": key != "infinity-torch",
            "agreement": {"median": 1.0, "least": 0.9991, "most": 1.0, "mean": 0.9998},
        }
        for key in rates
    ]
    section = {
        "title": "Embeddings", "pipeline": "ensemble_embedding", "inputs": "256 texts", "agreement": "cosine",
        "groups": [
            {
                "date": "2026-11-28", "command": "python -m bench.peers", "pace": {"seconds": 4.0, "rounds": 3},
                "precision": "fp32", "least agreement": 0.9999, "environment": around, "contenders": contenders,
                "tried": {"limit": {"model.onnx, batch 8": 290.0}}, "points": points,
            }
        ],
    }  # fmt: skip
    trials = {"embedding fp32": {"infinity-torch": {"--batch-size 8": 90.0, "--batch-size 16": 77.0}}}
    return {"format": 1, "sections": {"embedding": section}, "trials": trials}


def test_goals_name_the_better_engine_and_say_what_is_not_met() -> None:
    found = {
        goal.what.partition("clients: ")[2] or goal.what: goal
        for goal in goals(figures(ours=230)["sections"])
    }

    torch, better = found["infinity's torch engine"], found["infinity's better engine"]
    assert (torch.measured, torch.is_met) == (pytest.approx(230 / 90), True)
    assert (better.measured, better.is_met) == (pytest.approx(2.3), True)
    share = found["share of the limit"]
    assert (share.measured, share.is_met) == (pytest.approx(100 * 230 / 300), False)
    assert found["HTTP of gRPC"].measured == pytest.approx(90)
    assert found["Embeddings, fp32, 1 client: p50 over in-process"].is_met


def test_a_millisecond_too_much_is_not_met() -> None:
    (over,) = (goal for goal in goals(figures(p50_over_ms=1.6)["sections"]) if goal.at_most)

    assert over.measured == pytest.approx(1.6)
    assert not over.is_met


def test_speech_is_held_to_the_best_of_faster_whisper(tmp_path: Path) -> None:
    figures_ = [
        {"precision": "int8", "clients": 16, "server": server, "seconds": [1.0, 1.0, 1.0], "ratios": ratios_}
        for server, ratios_ in {
            "tritonzoo": [1.0, 1.0, 1.0], "faster-whisper 1x2": [2.0, 2.2, 2.1], "faster-whisper 2x1": [1.4, 1.3, 1.6],
            "transformers": [9.0, 9.0, 9.0],
        }.items()
    ]  # fmt: skip
    section = {"title": "Speech", "figures": figures_}

    (goal,) = goals({"speech": section})

    assert (goal.measured, goal.bound, goal.is_met) == (1.4, 1.5, False)


# -- settings ----------------------------------------------------------------------------------------------


def test_a_peer_gets_the_settings_that_answered_most_and_none_that_are_no_longer_tried(
    tmp_path: Path,
) -> None:
    saved = saved_figures.Results(tmp_path / "found.json")
    saved.put(
        "trials", "embedding fp32", {"infinity-torch": {"a": 80.0, "b": 95.0}, "fastapi": {"gone": 9.0}}
    )
    again = saved_figures.Results(tmp_path / "found.json")
    setup = Setup(ROOT, None, tmp_path, again.best())  # type: ignore[arg-type]

    assert setup.settings("embedding", "fp32", "infinity-torch", ("a", "b")) == "b"
    assert setup.settings("embedding", "fp32", "fastapi", ("first", "second")) == "first"
    assert setup.settings("sentiment", "fp32", "infinity-torch", ("a", "b")) == "a"


def test_results_of_another_format_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"format": 0}')

    with pytest.raises(SystemExit, match="another name"):
        saved_figures.Results(path)


def test_results_are_named_after_what_the_processor_can_do(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.60GHz\nflags\t\t: avx2 avx512_vnni\n\n"
        "processor\t: 1\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.60GHz\nflags\t\t: avx2 avx512_vnni\n"
    )

    assert saved_figures.processor_name(cpuinfo) == "xeon-avx512-vnni-2-cores"


def test_every_peer_library_is_pinned() -> None:
    for name in ("infinity", "fastapi", "litserve"):
        for line in REQUIREMENTS[name].read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[\w-]+(\[[\w,]+\])?==[\w.]+", line), f"{name}: {line}"


# -- the page ------------------------------------------------------------------------------------------------


def test_the_page_tells_the_figures_it_is_given() -> None:
    told = page.text(figures(), "some.json")

    assert (
        "| the one called infinity-optimum | 100 (9.00 / 18.0) | 100 (9.00 / 18.0) | 5.00 | 123 | 0.9998 (0.9991) |"
        in told
    )
    assert "| the one called infinity-optimum | 2.60 (2.60 to 2.60) | 2.60 (2.60 to 2.60) |" in told
    assert (
        "| Embeddings, fp32, 64 clients: share of the limit | at least 85 % | 87 % (87 to 87) | yes |" in told
    )
    assert "`--batch-size 16` 77.0" in told
    assert "bench/peers/results/some.json" in told
    assert "5 of 5 goals" in told
    assert "| the one called infinity-torch † | 90.0" in told
    assert "†: agrees less than 0.9999 on average" in told


def test_other_figures_make_another_page() -> None:
    assert "**no**" in page.text(figures(ours=100), "some.json")
    assert "**no**" not in page.text(figures(), "some.json")


def test_the_committed_page_is_made_of_the_newest_committed_figures() -> None:
    newest, committed = saved_figures.latest(), ROOT / "docs/benchmarks.md"

    assert committed.is_file() == (newest is not None), "write it: python -m bench.peers --page"
    if newest is not None:
        made = page.text(saved_figures.Results(newest).figures, newest.name)
        assert committed.read_text("utf-8") == made, "write it anew: python -m bench.peers --page"


@pytest.mark.parametrize("path", sorted(saved_figures.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_contender_was_measured_in_every_round(path: Path) -> None:
    for section in saved_figures.Results(path).figures["sections"].values():
        for group in section.get("groups", ()):
            for point in group["points"]:
                found = windows_of(group, point["clients"])
                assert set(found) == {one["key"] for one in group["contenders"]}
                assert {len(each) for each in found.values()} == {group["pace"]["rounds"]}


def test_one_precision_measured_anew_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    saved = saved_figures.Results(tmp_path / "found.json")
    for precision, date in (("int8", "first"), ("fp32", "first"), ("int8", "second")):
        saved.put_group("embedding", {"title": "Embeddings"}, {"precision": precision, "date": date})

    section = saved_figures.Results(tmp_path / "found.json").figures["sections"]["embedding"]
    assert [(one["precision"], one["date"]) for one in section["groups"]] == [
        ("fp32", "first"),
        ("int8", "second"),
    ]
