"""`tritonzoo explain` on a real server: it finds why each toy is slow, nothing else, and its advice helps."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.slow_toys import write_slow_tree
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.target import Target
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.explain.rules import MOST_OTHER_CORES, OUTSIDE, OUTSIDE_MS
from tritonzoo.explain.run import Explanation, explain
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
TRITONZOO = ROOT / ".venv/bin/tritonzoo"


def toys(tmp_path: Path, pipelines: tuple[str, ...]) -> tuple[EmbeddedTriton, Path]:
    trace = tmp_path / "trace"
    options = ServeOptions(tmp_path / "tree", Ports.free(), pipelines, trace_file=trace)
    return EmbeddedTriton(options), trace


def explained(triton: EmbeddedTriton, trace: Path, pipeline: str, clients: int) -> Explanation:
    server = Target(
        Endpoint.parse(triton.grpc_url, "grpc"),
        triton.options.profile,
        lambda: triton.pids,
        triton.counters_folder,
        triton.metrics_url,
        triton.admin_key,
        trace,
        Repository(triton.options.root),
    )
    requests = "many" if pipeline == "hands_over_much" else "requests"
    options = BenchOptions((Load("concurrency", clients),), seconds=3, warmup_s=0.5, repeats=1)
    source = triton.options.root / f"{requests}.jsonl"
    return explain(server, pipeline, options, source, lambda step: None)


def advised(found: Explanation) -> set[tuple[str, str]]:
    """Rule and step; a busy machine says nothing about a pipeline."""
    if found.seen.other_cores is not None and found.seen.other_cores > MOST_OTHER_CORES:
        pytest.skip(f"other programs kept {found.seen.other_cores:.1f} cores busy")
    return {(advice.rule, advice.step) for advice in found.advice}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedTriton, Path]]:
    folder = tmp_path_factory.mktemp("slow")
    write_slow_tree(folder / "tree")
    triton, trace = toys(folder, ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        triton.start()
    with triton:
        yield triton, trace


@pytest.mark.parametrize(
    ("pipeline", "clients", "expected"),
    [
        ("waits_for_one", 8, {("add_instance", "one_at_a_time"), ("gather_requests", "one_at_a_time")}),
        ("waits_for_one", 1, set()),  # nobody waits
        ("waits_for_two", 8, {("add_instance", "two_at_a_time"), ("wider_batch", "two_at_a_time")}),
        ("hands_over_much", 1, {("lighter_tensors", "mover"), ("closer_client", "")}),
        ("steady", 1, set()),
    ],
)
def test_the_reason_is_found_and_no_other(slow, pipeline: str, clients: int, expected: set) -> None:
    assert advised(explained(*slow, pipeline, clients)) == expected


def test_small_steps_are_to_be_fused_and_a_single_one_is_not(slow) -> None:
    explanation = explained(*slow, "many_small_steps", 1)
    found, seen = advised(explanation), explanation.seen

    # On a slow machine so short a request spends much of its time outside the server: then that is told, too.
    is_outside = (
        seen.outside_ms is not None
        and seen.outside_ms >= OUTSIDE_MS
        and seen.share(seen.outside_ms) >= OUTSIDE
    )
    assert (("closer_client", "") in found) == is_outside
    of_steps = found - {("closer_client", "")}
    assert {rule for rule, _ in of_steps} == {"fuse_small_step"}
    assert {step for _, step in of_steps} <= {"first", "second", "third", "fourth"}
    assert len(of_steps) >= 2


def test_the_figures_add_up_and_the_trace_shows_every_step(slow) -> None:
    found = explained(*slow, "many_small_steps", 1)

    seen = found.seen
    assert seen.server_ms is not None
    assert seen.steps_ms + seen.between_ms + (seen.outside_ms or 0) == pytest.approx(seen.mean_ms)
    assert all(step.calls == pytest.approx(1, rel=0.02) for step in seen.steps)
    assert found.trace is not None
    models = list(dict.fromkeys(span.model for span in found.trace.spans))
    assert models == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    ("pipeline", "model", "before", "after", "least"),
    [
        ("waits_for_one", "one_at_a_time", "instance_group", "dynamic_batching {}\ninstance_group", 3.0),
        ("waits_for_one", "one_at_a_time", "KIND_CPU", "KIND_CPU count: 2", 1.6),
        ("waits_for_two", "two_at_a_time", "max_batch_size: 2", "max_batch_size: 4", 1.6),
    ],
    ids=["gather_requests", "add_instance", "wider_batch"],
)
def test_advice_that_is_followed_helps(
    tmp_path: Path, slow, pipeline: str, model: str, before: str, after: str, least: float
) -> None:
    """Ten milliseconds of sleep a batch: what is gained is known beforehand."""
    write_slow_tree(tmp_path / "tree")
    for folder in (f"model_repository/{model}", f"ensembles/{pipeline}"):
        config = tmp_path / "tree" / folder / "config.pbtxt"
        text = config.read_text()
        if "max_batch_size" in before or folder.startswith("model"):
            assert before in text
            config.write_text(text.replace(before, after))
    first = explained(*slow, pipeline, 8)
    triton, trace = toys(tmp_path, (pipeline,))
    with triton:
        second = explained(triton, trace, pipeline, 8)

    assert second.window.throughput_per_s >= least * first.window.throughput_per_s


def test_the_command_explains_a_pipeline_of_the_tree(tmp_path: Path) -> None:
    arguments = ["ensemble_handwriting", "--seconds", "2", "--warmup", "0.5"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "140"}

    shown = subprocess.run(
        [TRITONZOO, "explain", *arguments, "--plot", str(tmp_path / "request.png")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300,
    ).stdout  # fmt: skip
    told = subprocess.run(
        [TRITONZOO, "explain", *arguments, "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300,
    ).stdout  # fmt: skip

    for step in ("handwriting_image", "handwriting", "handwriting_label"):
        assert re.search(rf"^ *{step} +1\.0 ", shown, re.MULTILINE)
    assert "in one process, one at a time" in shown
    assert "█ compute" in shown
    assert (tmp_path / "request.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(told)
    assert found["seen"]["alone_ms"] > 0
    assert [step["name"] for step in found["seen"]["steps"]] == [
        "handwriting_image", "handwriting", "handwriting_label",
    ]  # fmt: skip
