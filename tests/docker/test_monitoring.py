"""The profile `monitoring`: Prometheus finds every replica and the edge by itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.docker.stack import ROOT, Stack, call, docker, get


@pytest.fixture(scope="module")
def prometheus(stack: Stack) -> Iterator[int]:
    """Prometheus beside the stack; its port."""
    stack("--profile", "monitoring", "build", "prometheus")
    stack(
        "--profile",
        "monitoring",
        "up",
        "-d",
        "--no-build",
        "--no-recreate",
        "--scale",
        "triton=2",
        "prometheus",
    )
    yield stack.prometheus
    stack("--profile", "monitoring", "rm", "--stop", "--force", "prometheus")


# Every name on the page, but for those that only a GPU gives.
METRICS = sorted(
    set(
        re.findall(
            r"\b((?:nv|tritonzoo|haproxy)_[a-z_]*[a-z])\b(?!_)", (ROOT / "docs" / "metrics.md").read_text()
        )
    )
    - {"nv_gpu_utilization", "nv_gpu_memory_used_bytes"}
)


def ask(port: int, path: str) -> object:
    status, text = get(port, f"/api/v1/{path}")
    return json.loads(text)["data"] if status == 200 else None


def test_every_replica_and_the_edge_are_scraped(stack: Stack, prometheus: int) -> None:
    wanted = {"triton": 2, "tritonzoo": 2, "edge": 1}
    deadline = time.monotonic() + 90
    while True:
        found = ask(prometheus, "targets") or {"activeTargets": []}
        up = [one["labels"]["job"] for one in found["activeTargets"] if one["health"] == "up"]  # type: ignore[index]
        if {job: up.count(job) for job in wanted} == wanted:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


@pytest.mark.parametrize("metric", METRICS)
def test_the_figures_of_the_metrics_page_are_there(stack: Stack, prometheus: int, metric: str) -> None:
    call(stack.http, "ensemble_sentiment", {"text": "well done"})
    deadline = time.monotonic() + 60
    while not (ask(prometheus, f"query?query={metric}") or {}).get("result"):  # type: ignore[attr-defined]
        assert time.monotonic() < deadline, metric
        time.sleep(0.5)


def test_promtool_finds_nothing_wrong(prometheus: int) -> None:
    said = docker(
        "run",
        "--rm",
        "--entrypoint",
        "promtool",
        "tritonzoo-prometheus:latest",
        "check",
        "config",
        "/etc/prometheus/prometheus.yml",
    )
    assert "SUCCESS" in said
