"""`tritonzoo bench` on a real server, and the other generators: ab, and perf_analyzer where it is installed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tritonzoo.bench import apache
from tritonzoo.bench.figures import Figures
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.run import bench
from tritonzoo.bench.target import Target
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.errors import BenchError
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
TRITONZOO = ROOT / ".venv/bin/tritonzoo"
PERF_FOLDER = ROOT / ".venv-perf" / "bin"
AB = shutil.which("ab")
POSTED = sorted(path.parent.name for path in ROOT.glob("data_samples/*/ab"))


def measured(
    triton: EmbeddedTriton, pipeline: str, *loads: Load, source: Path | None = None, **options: object
) -> Figures:
    protocol = options.get("protocol", "grpc")
    url = triton.http_url if protocol == "http" else triton.grpc_url
    server = Target(
        Endpoint.parse(url, str(protocol)),
        triton.options.profile,
        lambda: triton.pids,
        triton.counters_folder,
        tree=Repository(ROOT),
    )
    chosen = BenchOptions(loads, **{"seconds": 1.0, "warmup_s": 0.3, "repeats": 2, **options})
    return bench(server, pipeline, chosen, source, None, lambda step: None)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_is_measured_is_what_happened(triton, protocol: str) -> None:
    found = measured(
        triton, "ensemble_sentiment", Load("concurrency", 1), Load("concurrency", 8), protocol=protocol
    )

    one, eight = found.points
    for point in (one, eight):
        assert point.errors == 0
        assert point.accuracy is not None
        assert point.accuracy.measure == "label accuracy"
        assert point.accuracy.answers == sum(window.answered for window in point.windows)
        for window in point.windows:
            steps = window.steps["sentiment"]
            # Triton's counts are read while requests are under way, so each end may be off by those.
            assert abs(steps.requests - window.answered) <= 2 * point.load.value
            assert window.cpu_s_per_request is not None
            assert 0 < window.cpu_s_per_request * window.throughput_per_s <= (os.cpu_count() or 1) * 1.1
            assert window.memory_bytes is not None
            assert 100e6 < window.memory_bytes < 20e9
    assert one.accuracy is not None and eight.accuracy is not None
    assert one.accuracy.value == pytest.approx(eight.accuracy.value, abs=0.02)
    assert one.batch_sizes()["sentiment"] == 1
    assert eight.batch_sizes()["sentiment"] > 1.3
    assert found.environment["precisions"] == {"sentiment": "fp32"}


def test_clients_times_latency_is_what_littles_law_says(triton) -> None:
    (point,) = measured(triton, "ensemble_handwriting", Load("concurrency", 4)).points

    for window in point.windows:
        assert window.throughput_per_s * window.latency.mean_ms / 1000 == pytest.approx(4, rel=0.15)


def test_an_open_loop_asks_as_often_as_it_was_told(triton) -> None:
    (point,) = measured(
        triton, "ensemble_handwriting", Load("rate", 10), seconds=4.0, arrivals="constant", repeats=1
    ).points

    assert point.throughput_per_s == pytest.approx(10, rel=0.15)


def test_sound_is_also_told_in_seconds_of_it(triton) -> None:
    (point,) = measured(triton, "ensemble_vad", Load("concurrency", 2)).points

    assert point.errors == 0
    for window in point.windows:
        assert window.audio_s_per_s is not None
        assert window.audio_s_per_s > window.throughput_per_s  # every sample is longer than a second


def test_an_input_that_is_refused_is_told_before_the_load(triton, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"Dear diary, today I drew an a.\n")

    with pytest.raises(BenchError, match=r"a\.png: .*mend this input"):
        measured(triton, "ensemble_handwriting", Load("concurrency", 1), source=tmp_path)


def test_the_commands_measure_save_draw_and_compare(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "120"}

    def run(*arguments: str) -> str:
        return subprocess.run(
            [TRITONZOO, "bench", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300,
        ).stdout  # fmt: skip

    load = ("--concurrency", "1,4", "--seconds", "1", "--repeats", "2", "--warmup", "0.3")
    files = [tmp_path / f"{name}.json" for name in ("one", "other")]
    shown = run("ensemble_handwriting", *load, "--save", str(files[0]), "--plot", str(tmp_path / "one.png"))
    told = json.loads(
        run("ensemble_handwriting", *load, "--protocol", "http", "--json", "--save", str(files[1]))
    )
    compared = run("compare", *map(str, files), "--plot", str(tmp_path / "both.png"))

    for row in (
        "answers a second",
        "p99 ms",
        "label accuracy",
        "batch of handwriting",
        "CPU ms an answer",
        "memory MB",
    ):
        assert row in shown
    assert told["points"][0]["throughput_per_s"] > 0
    assert "second to first" in compared
    assert "not alike in protocol: grpc and http" in compared
    for picture in ("one.png", "both.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


# -- Apache Benchmark ----------------------------------------------------------------------------------


@pytest.mark.skipif(AB is None, reason="ab is not installed; apt-get install apache2-utils")
@pytest.mark.parametrize("pipeline", POSTED)
def test_apache_benchmark_is_answered_with_the_committed_bodies(triton, pipeline: str) -> None:
    for body in sorted((ROOT / "data_samples" / pipeline / "ab").iterdir()):
        line = apache.command(pipeline, body, triton.http_url, clients=4, seconds=1)

        said = subprocess.run(
            shlex.split(line), capture_output=True, text=True, check=True, timeout=60
        ).stdout

        complete = re.search(r"Complete requests: +(\d+)", said)
        assert complete, said
        assert int(complete[1]) > 10, said
        assert re.search(r"Failed requests: +0\b", said), said
        assert "Non-2xx" not in said, said


@pytest.mark.skipif(AB is None, reason="ab is not installed; apt-get install apache2-utils")
def test_apache_benchmark_would_show_errors(triton, tmp_path: Path) -> None:
    body = tmp_path / "wrong.json"
    body.write_text('{"inputs": [{"name": "txt", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]}]}')
    line = apache.command("ensemble_sentiment", body, triton.http_url, clients=1, seconds=1)

    said = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True, timeout=60).stdout

    assert "Non-2xx responses" in said


# -- perf_analyzer -------------------------------------------------------------------------------------


def test_perf_analyzer_agrees_with_our_own_generator(triton, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PERF_FOLDER}{os.pathsep}{os.environ['PATH']}")
    if shutil.which("perf_analyzer") is None:
        pytest.skip("perf_analyzer is not installed; make perf-analyzer")
    load = Load("concurrency", 2)

    (own,) = measured(triton, "ensemble_handwriting", load, seconds=3.0, repeats=1).points
    (other,) = measured(
        triton, "ensemble_handwriting", load, seconds=3.0, repeats=1, generator="perf_analyzer"
    ).points

    (window,) = other.windows
    assert window.errors == 0
    assert window.answered > 20
    assert window.throughput_per_s * window.latency.mean_ms / 1000 == pytest.approx(2, rel=0.2)
    assert other.throughput_per_s == pytest.approx(own.throughput_per_s, rel=0.5)


def test_perf_analyzers_own_words_are_told_when_it_fails(triton, monkeypatch: pytest.MonkeyPatch) -> None:
    from tritonzoo.bench import perf_analyzer

    monkeypatch.setenv("PATH", f"{PERF_FOLDER}{os.pathsep}{os.environ['PATH']}")
    if shutil.which("perf_analyzer") is None:
        pytest.skip("perf_analyzer is not installed; make perf-analyzer")
    options = BenchOptions((Load("concurrency", 1),), seconds=1)
    endpoint = Endpoint.parse(triton.grpc_url, "grpc")

    with pytest.raises(BenchError, match="perf_analyzer ended with code"):
        asyncio.run(
            perf_analyzer.run(
                perf_analyzer.find(), "ensemble_nothing", endpoint, options.loads[0], options, '{"data": []}'
            )
        )
