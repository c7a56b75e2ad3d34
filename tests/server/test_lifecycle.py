"""Start, stop, and what is left: nothing."""

from __future__ import annotations

import http.client
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import tritonclient.grpc as grpcclient

from tests.server.toys import call_grpc, call_http, grpc_input, write_model
from tritonzoo.embedded import EmbeddedTriton, ServeOptions, detached, shm, state
from tritonzoo.errors import PreflightError, ServerError
from tritonzoo.runtime import proc

Serve = Callable[[], EmbeddedTriton]


def shm_files(prefix: str = "tritonzoo_") -> set[str]:
    return {path.name for path in shm.SHM.glob(f"{prefix}*")}


def assert_nothing_left(server: EmbeddedTriton, pids: list[int]) -> None:
    assert server.pids == []
    assert [pid for pid in pids if (one := proc.process(pid)) and one.is_alive] == []
    assert shm_files(server.shm_prefix) == set()
    assert not (state.server_path(server.options.ports.http) / "state.json").exists()


# -- connections that Triton by itself waits for -------------------------------------------------------


@contextmanager
def keep_alive(server: EmbeddedTriton) -> Iterator[None]:
    connection = http.client.HTTPConnection("127.0.0.1", server.options.ports.http)
    connection.request("GET", "/v2/health/live")
    connection.getresponse().read()
    yield
    connection.close()


@contextmanager
def half_sent(server: EmbeddedTriton) -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", server.options.ports.http)) as connection:
        connection.sendall(b"POST /v2/models/double/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        yield


@contextmanager
def open_stream(server: EmbeddedTriton) -> Iterator[None]:
    answers: queue.Queue[tuple[object, object]] = queue.Queue()
    client = grpcclient.InferenceServerClient(server.grpc_url)
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("double", grpc_input(1))
    result, error = answers.get(timeout=10)
    assert result is not None, error
    yield
    client.stop_stream(cancel_requests=True)
    client.close()


HOLDS = {
    "nothing else": (),
    "an idle keep-alive connection": (keep_alive,),
    "a half-sent request": (half_sent,),
    "an open stream": (open_stream,),
    "a keep-alive connection and an open stream": (keep_alive, open_stream),
}


@pytest.mark.parametrize("holds", HOLDS.values(), ids=HOLDS.keys())
def test_requests_in_flight_are_answered_and_nothing_is_left(serve: Serve, holds: tuple) -> None:
    server = serve()
    with (
        ThreadPoolExecutor(3) as pool,
        grpcclient.InferenceServerClient(server.grpc_url) as client,
        ExitStack() as stack,
    ):
        for hold in holds:
            stack.enter_context(hold(server))
        flights = [
            pool.submit(call_http, server.http_url, "wait", 1.5),
            pool.submit(call_grpc, client, "wait", 1.5),
            pool.submit(call_http, server.http_url, "double_and_wait", 0.75),
        ]
        time.sleep(0.4)
        pids = server.pids
        began = time.monotonic()
        server.stop()
        took_s = time.monotonic() - began
        answers = [flight.result() for flight in flights]
    assert answers == [3.0, 3.0, 3.0]
    assert len(pids) == 4  # the server and three stubs
    assert took_s < 25  # less than the drain time: it did not wait in vain
    assert_nothing_left(server, pids)


def test_a_request_longer_than_the_drain_time_does_not_hold_the_stop_up(
    serve: Serve, toys: ServeOptions
) -> None:
    server = serve()
    object.__setattr__(server, "options", replace(toys, drain_s=1.0))
    with ThreadPoolExecutor(1) as pool:
        flight = pool.submit(call_http, server.http_url, "wait", 30)
        time.sleep(0.3)
        pids = server.pids
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 20  # of the 30 s that the request takes
        with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
            flight.result()
    assert_nothing_left(server, pids)


def test_stopping_twice_is_stopping_once(serve: Serve) -> None:
    server = serve()
    server.stop()
    server.stop()
    assert server.pids == []


# -- the admin key -------------------------------------------------------------------------------------


def every_command_line() -> dict[int, str]:
    return {one.pid: " ".join(proc.command_line(one.pid)) for one in proc.processes()}


def test_the_admin_key_is_in_no_command_line_at_any_time(toys: ServeOptions) -> None:
    server = EmbeddedTriton(toys)
    seen: dict[int, str] = {}
    done = threading.Event()
    server_was_seen = threading.Event()

    def look() -> None:
        while not done.is_set():
            for pid, words in every_command_line().items():
                if server.admin_key in words:
                    seen[pid] = words
                if "tritonserver" in words and "--http-restricted-api" in words:
                    server_was_seen.set()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with server:
            environments = [
                Path(f"/proc/{pid}/environ").read_bytes() for pid in server.pids if pid != server.pid
            ]
            assert server.key_is_hidden
    finally:
        done.set()
        watcher.join()
    assert seen == {}
    assert server_was_seen.is_set()
    assert len(environments) == 3
    assert not any(server.admin_key.encode() in environment for environment in environments)


@pytest.mark.parametrize(
    "path", ["repository/index", "repository/models/double/unload", "logging", "trace/setting"]
)
def test_the_admin_apis_are_open_to_the_key_only(serve: Serve, path: str) -> None:
    server = serve()

    def status(headers: dict[str, str]) -> int:
        method = "GET" if path in ("logging", "trace/setting") else "POST"
        request = urllib.request.Request(f"{server.http_url}/v2/{path}", headers=headers, method=method)
        if method == "POST":
            request.data = b"{}"
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status({}) == 403
    assert status({"admin-key": "wrong"}) == 403
    assert status({"admin-key": server.admin_key}) == 200


def test_the_stack_is_large_enough_for_deep_requests(serve: Serve) -> None:
    server = serve()
    body = b'{"inputs":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    request = urllib.request.Request(
        f"{server.http_url}/v2/models/double/infer", body, {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=30)
    assert call_http(server.http_url, "double", 2) == 4


# -- refusals and failures -----------------------------------------------------------------------------


def test_a_busy_port_is_named_with_its_user_and_the_flag_that_chooses_another(toys: ServeOptions) -> None:
    with (
        socket.create_server(("127.0.0.1", toys.ports.grpc)),
        pytest.raises(PreflightError, match=rf"port {toys.ports.grpc} .*process {os.getpid()}.*--grpc-port"),
    ):
        EmbeddedTriton(toys).start()


def test_a_second_server_on_the_same_port_is_refused_and_the_first_lives_on(
    serve: Serve, toys: ServeOptions
) -> None:
    server = serve()
    with pytest.raises(PreflightError, match=f"tritonzoo stop --http-port {toys.ports.http}"):
        EmbeddedTriton(toys).start()
    assert call_http(server.http_url, "double", 2) == 4


def test_a_model_that_does_not_load_is_named_with_its_reason(toys: ServeOptions) -> None:
    write_model(
        toys.root, "other", "class TritonPythonModel:\n    def initialize(self, args):\n        1 / 0\n"
    )
    server = EmbeddedTriton(toys)
    with pytest.raises(ServerError) as caught:
        server.start()
    message = str(caught.value)
    assert "1 of 4 models did not load" in message
    assert "other: ZeroDivisionError: division by zero" in message
    assert str(server.log_file) in message
    assert "Traceback" not in message
    assert server.pids == []
    assert shm_files(server.shm_prefix) == set()


def test_a_model_that_hangs_while_loading_is_named_in_time(toys: ServeOptions) -> None:
    code = "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(600)\n"
    write_model(toys.root, "other", code)
    server = EmbeddedTriton(replace(toys, start_timeout_s=3))
    with pytest.raises(ServerError, match="not ready after 3 s, still loading: other"):
        server.start()
    assert server.pids == []
    assert shm_files(server.shm_prefix) == set()


def test_progress_counts_every_model_once(toys: ServeOptions) -> None:
    progress: list[tuple[int, int, str]] = []
    server = EmbeddedTriton(toys)
    try:
        server.start(lambda *step: progress.append(step))
    finally:
        server.stop()
    assert [step[:2] for step in progress] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {step[2] for step in progress} == {"double", "other", "wait", "double_and_wait"}


def test_only_the_named_pipelines_load_with_their_members(toys: ServeOptions) -> None:
    with EmbeddedTriton(replace(toys, pipelines=("double_and_wait",))) as server:
        assert call_http(server.http_url, "double_and_wait", 0) == 0
        with pytest.raises(urllib.error.HTTPError):
            call_http(server.http_url, "other", 1)


# -- servers of their own ------------------------------------------------------------------------------


def test_detached_server_is_seen_and_stopped(toys: ServeOptions) -> None:
    progress: list[int] = []
    started = detached.detach(toys, lambda loaded, total, name: progress.append(loaded))
    try:
        assert progress == [1, 2, 3, 4]
        state_file = state.server_path(toys.ports.http) / "state.json"
        assert stat.S_IMODE(state_file.stat().st_mode) == 0o600
        (status,) = detached.status(toys.ports.http)
        assert status.models == dict.fromkeys(("double_and_wait", "double", "other", "wait"), "ready")
        assert status.state.ports == toys.ports.named()
        assert 0 < status.uptime_s < 60
        with ThreadPoolExecutor(1) as pool:
            flight = pool.submit(call_http, f"http://127.0.0.1:{toys.ports.http}", "wait", 1.0)
            time.sleep(0.3)
            began = time.monotonic()
            detached.stop(toys.ports.http)
            assert time.monotonic() - began < 25  # less than the drain time
            assert flight.result() == 2.0
    finally:
        if started.is_alive:
            os.kill(started.supervisor_pid, signal.SIGKILL)
    assert detached.status(toys.ports.http) == []
    assert proc.group(started.server_pid) == []
    assert shm_files(started.shm_prefix) == set()
    with pytest.raises(ServerError, match=f"no server with HTTP port {toys.ports.http}"):
        detached.stop(toys.ports.http)


def test_why_a_detached_server_did_not_start_is_told(toys: ServeOptions) -> None:
    write_model(toys.root, "other", "import no_such_module\n")
    with pytest.raises(ServerError, match="other: ModuleNotFoundError: No module named 'no_such_module'"):
        detached.detach(toys)
    assert detached.status(toys.ports.http) == []


def test_the_server_does_not_outlive_a_killed_supervisor(toys: ServeOptions) -> None:
    started = detached.detach(toys)
    os.kill(started.supervisor_pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while proc.group(started.server_pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert proc.group(started.server_pid) == []
    assert detached.status(toys.ports.http) == []
    (shm.SHM / f"{started.shm_prefix}left").write_bytes(b"")  # what a stub that crashed would leave
    with EmbeddedTriton(toys) as server:
        assert shm_files(started.shm_prefix) == set()
        assert call_http(server.http_url, "double", 2) == 4


FOREGROUND = """
import sys
from pathlib import Path
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.embedded.foreground import serve_until_signal
options = ServeOptions(root=Path(sys.argv[1]), ports=Ports(*map(int, sys.argv[2:5])))
serve_until_signal(EmbeddedTriton(options), on_ready=lambda: print("ready", flush=True))
"""


@contextmanager
def foreground(options: ServeOptions) -> Iterator[subprocess.Popen[str]]:
    ports = [str(port) for port in options.ports.named().values()]
    command = [sys.executable, "-c", FOREGROUND, str(options.root), *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_requests_finish(toys: ServeOptions, signum: signal.Signals) -> None:
    before = shm_files()
    with foreground(toys) as process, ThreadPoolExecutor(1) as pool:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        flight = pool.submit(call_http, f"http://127.0.0.1:{toys.ports.http}", "wait", 1.5)
        time.sleep(0.4)
        process.send_signal(signum)
        assert process.wait(10) == 0
        assert flight.result() == 3.0
    assert shm_files() <= before


def test_a_second_signal_ends_at_once(toys: ServeOptions) -> None:
    before = shm_files()
    with foreground(toys) as process, ThreadPoolExecutor(1) as pool:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        flight = pool.submit(call_http, f"http://127.0.0.1:{toys.ports.http}", "wait", 15.0)
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(3) == 0
        with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
            flight.result()
    assert shm_files() <= before


def test_a_signal_while_models_load_leaves_nothing(toys: ServeOptions) -> None:
    code = "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(600)\n"
    write_model(toys.root, "other", code)
    before = shm_files()
    with foreground(toys) as process:
        while not proc.children(process.pid):
            time.sleep(0.05)
        time.sleep(1.0)
        (server,) = proc.children(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        assert proc.group(server.pid) == []
    assert shm_files() <= before
