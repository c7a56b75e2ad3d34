"""Replicas come and go under load: nothing is lost but what was in flight in one that was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.docker.load import Load, load
from tests.docker.stack import PATH, Stack, docker, inspect, run

SETTLE_S = 2.0  # load before and after each event
IN_FLIGHT = 4  # clients, so at most that many requests in one replica


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[list[str]]:
    """Prints what each event cost, once all are done."""
    rows: list[str] = []
    yield rows
    print("\n" + "\n".join(rows))


@pytest.fixture
def seen(stack: Stack, table: list[str], request: pytest.FixtureRequest) -> Iterator[Load]:
    """Load around an event: two clients over HTTP and two over gRPC; two replicas are restored afterwards."""
    with load(stack.http, stack.grpc) as counted:
        time.sleep(SETTLE_S)
        yield counted
        time.sleep(SETTLE_S)
    table.append(counted.row(request.node.name.removeprefix("test_")))
    stack.up("edge", replicas=2)
    assert min(counted.answers.values()) > 20, "there was no load to speak of"


def test_a_replica_is_stopped(stack: Stack, seen: Load) -> None:
    docker("stop", "--time", "50", stack.containers()[0])
    assert seen.failures == []


def test_a_stopped_replica_is_started(stack: Stack, seen: Load) -> None:
    container = stack.containers()[0]
    docker("stop", "--time", "50", container)
    docker("start", container)
    stack.await_ready(2)
    time.sleep(SETTLE_S)
    assert seen.failures == []


def test_a_replica_is_killed(stack: Stack, seen: Load) -> None:
    docker("kill", stack.containers()[0])
    time.sleep(SETTLE_S)
    assert len(seen.failures) <= IN_FLIGHT, seen.failures


def test_two_become_one_become_three(stack: Stack, seen: Load) -> None:
    stack.up("edge", replicas=1)
    assert len(stack.containers()) == 1
    stack.up("edge", replicas=3)
    time.sleep(SETTLE_S)
    assert seen.failures == []


def test_the_image_is_changed(stack: Stack, seen: Load) -> None:
    old = {inspect(one)["Image"] for one in stack.containers()}
    build = ("build", "--quiet", "--tag", "tritonzoo:cpu", "--label", f"changed={time.time()}", "-")
    docker(*build, input_text="FROM tritonzoo:cpu")
    try:
        run("deploy/roll.sh", env={**stack.env, "PATH": PATH})
        new = {inspect(one)["Image"] for one in stack.containers()}
    finally:
        docker("tag", *old, "tritonzoo:cpu")
    assert len(stack.containers()) == 2 and len(new) == 1 and not new & old
    assert seen.failures == []
