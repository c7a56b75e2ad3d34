"""A Python process dies: its model comes back, and nobody else notices."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.server.toys import call_grpc, write_model
from tritonzoo.embedded import EmbeddedTriton, ServeOptions, detached, shm
from tritonzoo.embedded.admin import ModelControl
from tritonzoo.embedded.stubs import find_stubs

Serve = Callable[[], EmbeddedTriton]


@dataclass
class Load:
    """Clients that call one model without pause."""

    answered_at: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def first_answer_after(self, moment: float) -> float:
        return min(at for at in list(self.answered_at) if at > moment) - moment


@contextmanager
def load(server: EmbeddedTriton, model: str, clients: int) -> Iterator[Load]:
    seen = Load()
    done = threading.Event()

    def call_on() -> None:
        while not done.is_set():
            try:
                call_grpc(client, model, 0)
                seen.answered_at.append(time.monotonic())
            except InferenceServerException as error:
                seen.failures.append(str(error))
                done.wait(0.02)

    with grpcclient.InferenceServerClient(server.grpc_url) as client:
        threads = [threading.Thread(target=call_on) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield seen
        finally:
            done.set()
            for thread in threads:
                thread.join()


def kill_stub(server: EmbeddedTriton, model: str, signum: int = signal.SIGKILL) -> float:
    (pid,) = (stub.pid for stub in find_stubs(server.pid, server.models) if stub.model == model)
    os.kill(pid, signum)
    return time.monotonic()


def wait_for_restarts(server: EmbeddedTriton, expected: dict[str, int], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while server.restarts != expected:
        assert time.monotonic() < deadline, server.restarts
        time.sleep(0.05)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV])
def test_a_pipeline_of_64_clients_answers_again_and_other_models_lose_nothing(
    serve: Serve, signum: int
) -> None:
    server = serve()
    with load(server, "double_and_wait", clients=64) as pipeline, load(server, "other", clients=4) as other:
        time.sleep(1.0)
        died = kill_stub(server, "double", signum)
        wait_for_restarts(server, {"double": 1})
        time.sleep(2.5)
        answered_before_kill = [at for at in pipeline.answered_at if at < died]
        assert answered_before_kill
        # 0.5 s: answers that were under way past the dead model when it died
        print(f"answered again after {0.5 + pipeline.first_answer_after(died + 0.5):.1f} s")
        assert any(at > died for at in other.answered_at)
    assert other.failures == []


def test_every_model_comes_back_in_turn(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="tritonzoo")
    server = serve()
    expected: dict[str, int] = {}
    with grpcclient.InferenceServerClient(server.grpc_url) as client:
        for model in ("double", "wait", "other"):
            kill_stub(server, model)
            expected[model] = 1
            wait_for_restarts(server, expected)
            assert call_grpc(client, model, 0) == 0
            assert f"{model}: its Python process died; back after" in caplog.text
    assert len(find_stubs(server.pid, server.models)) == 3


def test_shared_memory_of_the_dead_is_removed(serve: Serve) -> None:
    server = serve()
    for count in (1, 2):
        kill_stub(server, "double")
        wait_for_restarts(server, {"double": count})
    deadline = time.monotonic() + 60
    while len(list(shm.SHM.glob(f"{server.shm_prefix}*"))) > 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_model_that_keeps_dying_is_retried_ever_more_slowly(
    serve: Serve, toys: ServeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    dying = (
        "import os, threading\n"
        "class TritonPythonModel:\n"
        "    def initialize(self, args):\n"
        "        threading.Timer(0.2, os._exit, (1,)).start()\n"
        "    def execute(self, requests):\n"
        "        return None\n"
    )
    caplog.set_level(logging.WARNING, logger="tritonzoo")
    server = serve()
    write_model(toys.root, "other", dying)
    kill_stub(server, "other")
    began, deadline = time.monotonic(), time.monotonic() + 60
    while "in a row now; next attempt in 1 s" not in caplog.text:
        assert time.monotonic() < deadline, caplog.text
        time.sleep(0.05)
    assert time.monotonic() - began > 0.5  # due at once, then after 0.5 s, then after 1 s
    assert server.restarts["other"] >= 1
    with grpcclient.InferenceServerClient(server.grpc_url) as client:
        assert call_grpc(client, "double", 2) == 4


def test_a_model_that_no_longer_loads_is_told_and_comes_back_once_mended(
    serve: Serve, toys: ServeOptions
) -> None:
    model_file = toys.root / "model_repository" / "other" / "1" / "model.py"
    sound = model_file.read_text()
    server = serve()
    model_file.write_text("import no_such_module\n")
    kill_stub(server, "other")
    deadline = time.monotonic() + 60
    while True:
        (status,) = detached.status(toys.ports.http)
        if "no_such_module" in status.models["other"]:
            break
        assert time.monotonic() < deadline, status.models
        time.sleep(0.1)
    assert not status.is_ready
    model_file.write_text(sound)
    wait_for_restarts(server, {"other": 1})
    deadline = time.monotonic() + 60
    while not (status.is_ready and status.state.restarts == {"other": 1}):
        assert time.monotonic() < deadline, status
        time.sleep(0.1)  # the state file is written after the model is back
        (status,) = detached.status(toys.ports.http)


def test_a_model_unloaded_on_purpose_stays_unloaded(serve: Serve) -> None:
    server = serve()
    with ModelControl(server.grpc_url, server.admin_key) as control:
        control.unload("other")
        time.sleep(3)
        assert control.index()["other"] == "UNAVAILABLE"
    assert server.restarts == {}


def test_a_model_reloaded_on_purpose_is_no_death(serve: Serve) -> None:
    server = serve()
    with ModelControl(server.grpc_url, server.admin_key) as control:
        control.reload("other")
    time.sleep(3)
    assert server.restarts == {}
    kill_stub(server, "other")
    wait_for_restarts(server, {"other": 1})
    with grpcclient.InferenceServerClient(server.grpc_url) as client:
        assert call_grpc(client, "other", 2) == 4


def test_a_stop_does_not_wait_for_a_model_that_hangs_while_it_is_brought_back(
    serve: Serve, toys: ServeOptions
) -> None:
    code = "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(600)\n"
    server = serve()
    write_model(toys.root, "other", code)
    kill_stub(server, "other")
    time.sleep(1.5)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 120  # of the 600 s that it hangs
    assert server.pids == []
    assert list(shm.SHM.glob(f"{server.shm_prefix}*")) == []
