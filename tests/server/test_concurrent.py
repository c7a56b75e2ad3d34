"""ConcurrentModel in a real Triton: late answers, calls from many threads, streams, cancelling."""

from __future__ import annotations

import json
import os
import queue
import signal
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.embedded.stubs import find_stubs

CONFIG = """# {title}.
backend: "python"
max_batch_size: {batch}
input  [{{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] {ragged} }}]  # numbers
output [{{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }}]  # numbers
instance_group [{{ kind: KIND_CPU }}]
{more}
"""
ROUNDS = """
sequence_batching {
  iterative_sequence: true
  max_sequence_idle_microseconds: 3600000000
  oldest { max_candidate_sequences: 64 }
}
"""
MEMBER = """
import time
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.model import PythonModel


class TritonPythonModel(PythonModel):
    def infer_batch(self, requests):
        time.sleep(0.05)
        return [
            InvalidInput("x is negative; send more") if request["x"].min() < 0 else {"y": 2 * request["x"]}
            for request in requests
        ]
"""
LATE_MEMBER = """
import time
from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    def infer(self, x):
        time.sleep(min(float(x[0]), 60))
        return {"y": 2 * x}
"""
CALLER = """
from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    def infer(self, x):
        return self.call("late_member", {"x": x})
"""
PIPELINE = """
import time
from tritonzoo.runtime.concurrent import ConcurrentModel


class TritonPythonModel(ConcurrentModel):
    def infer(self, x):
        if x[0] == 1000:
            time.sleep(5)
        for _ in range(3):
            y = self.call("double", {"x": x[None]}, pass_on_refusals=True)["y"][0] / 2 + 1
            x = y
        return {"y": y}

    def stream_request(self, request):
        try:
            for value in request["x"]:
                yield {"y": [value]}
                time.sleep(0.02)
        finally:
            self.log.warning("closed a stream of %d", len(request["x"]))
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    root = tmp_path_factory.mktemp("concurrent")
    ragged = {"batch": 64, "ragged": "allow_ragged_batch: true", "more": "dynamic_batching {}"}
    write(root / "model_repository" / "double", MEMBER, title="Double", **ragged)
    calls = 'parameters { key: "calls" value { string_value: "double" } }'
    write(root / "ensembles" / "late", PIPELINE, title="Add three", batch=0, ragged="", more=calls)
    write(root / "ensembles" / "rounds", PIPELINE, title="Add three", batch=0, ragged="", more=calls + ROUNDS)
    write(
        root / "model_repository" / "late_member",
        LATE_MEMBER,
        title="Double late",
        batch=0,
        ragged="",
        more="",
    )
    calls = calls.replace("double", "late_member")
    write(root / "ensembles" / "caller", CALLER, title="Double by another", batch=0, ragged="", more=calls)
    decoupled = "model_transaction_policy { decoupled: true }"
    stream = {"title": "Number by number", "batch": 0, "ragged": ""}
    write(root / "ensembles" / "stream_late", PIPELINE, **stream, more=decoupled)
    write(root / "ensembles" / "stream_rounds", PIPELINE, **stream, more=decoupled + ROUNDS)
    server = EmbeddedTriton(
        ServeOptions(root=root, ports=Ports.free(), log_file=root / "triton.log", drain_s=5)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root))  # leaves nothing in the user's own
        server.start()
    with server:
        yield server


def write(folder: Path, code: str, **words: Any) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG.format(**words))
    (folder / "1" / "model.py").write_text(code)


def numbers(*values: float) -> list[grpcclient.InferInput]:
    tensor = grpcclient.InferInput("x", [len(values)], "FP32")
    tensor.set_data_from_numpy(np.array(values, np.float32))
    return [tensor]


def call(client: grpcclient.InferenceServerClient, model: str, *values: float, **options: Any) -> list[float]:
    return client.infer(model, numbers(*values), **options).as_numpy("y").tolist()


both_ways = pytest.mark.parametrize("way", ["late", "rounds"])


def executions(client: grpcclient.InferenceServerClient) -> tuple[int, int]:
    stats = client.get_inference_statistics("double").model_stats[0]
    return stats.inference_count, stats.execution_count


@both_ways
def test_many_requests_of_one_instance_are_at_work_at_once_and_their_calls_are_batched(
    triton: EmbeddedTriton, way: str
) -> None:
    client = grpcclient.InferenceServerClient(triton.grpc_url)
    inferences, runs = executions(client)
    with ThreadPoolExecutor(48) as pool:
        answers = list(pool.map(lambda i: call(client, way, *range(1, 2 + i % 5), i), range(48)))
    assert answers == [[n + 3 for n in (*range(1, 2 + i % 5), i)] for i in range(48)]
    more_inferences, more_runs = executions(client)
    assert more_inferences - inferences == 3 * 48
    assert more_runs - runs <= 0.35 * 3 * 48


@both_ways
def test_a_long_request_does_not_hold_up_a_short_one(triton: EmbeddedTriton, way: str) -> None:
    client = grpcclient.InferenceServerClient(triton.grpc_url)
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(call, client, way, 1000)
        time.sleep(0.3)
        assert call(client, way, 1) == [4]
        assert not long.done()
        assert long.result() == [1003]


@both_ways
def test_a_members_refusal_reaches_the_caller_word_for_word_and_alone(
    triton: EmbeddedTriton, way: str
) -> None:
    client = grpcclient.InferenceServerClient(triton.grpc_url)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(call, client, way, value) for value in (1, -5, 2, 3)]
    assert [future.result() for future in futures if future is not futures[1]] == [[4], [5], [6]]
    with pytest.raises(InferenceServerException) as error:
        futures[1].result()
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.value.message() == "x is negative; send more"


@both_ways
def test_a_stream_over_grpc_and_over_server_sent_events(triton: EmbeddedTriton, way: str) -> None:
    assert list(stream(triton, way, [1, 2, 3])) == [1, 2, 3]
    request = urllib.request.Request(
        f"{triton.http_url}/v2/models/stream_{way}/generate_stream",
        json.dumps({"x": [4, 5]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as events:
        lines = [line for line in events.read().decode().splitlines() if line]
    assert [json.loads(line.removeprefix("data: "))["y"] for line in lines] == [4, 5]


@both_ways
def test_a_cancelled_stream_ends_at_once_and_a_hundred_more_work(triton: EmbeddedTriton, way: str) -> None:
    answers = stream(triton, way, list(range(517)))
    assert [next(answers), next(answers)] == [0, 1]
    answers.close()
    until = time.monotonic() + 60
    while triton.log_file.read_text().count("closed a stream of 517") < 1 + (way == "rounds"):
        assert time.monotonic() < until, "the stream went on after its caller had gone"
        time.sleep(0.02)
    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(lambda _: list(stream(triton, way, [1, 2])), range(100))) == [[1, 2]] * 100


def stream(triton: EmbeddedTriton, way: str, values: list[float]) -> Iterator[float]:
    arrived: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client = grpcclient.InferenceServerClient(triton.grpc_url)
    client.start_stream(lambda result, error: arrived.put((result, error)))
    try:
        client.async_stream_infer(f"stream_{way}", numbers(*values), enable_empty_final_response=True)
        while True:
            result, error = arrived.get(timeout=30)
            if error is not None:
                raise error
            if result.get_response().parameters["triton_final_response"].bool_param:
                return
            yield float(result.as_numpy("y")[0])
    finally:
        client.stop_stream(cancel_requests=True)
        client.close()


def test_callers_of_a_member_that_dies_at_work_are_told_and_the_next_is_answered(
    triton: EmbeddedTriton,
) -> None:
    def ask(seconds: float) -> list[float]:
        with closing(grpcclient.InferenceServerClient(triton.grpc_url)) as client:
            return client.infer("caller", numbers(seconds), client_timeout=30).as_numpy("y").tolist()

    assert ask(0.125) == [0.25]
    with ThreadPoolExecutor(8) as pool:
        at_work = [pool.submit(ask, 50) for _ in range(8)]
        time.sleep(0.5)
        (stub,) = (stub for stub in find_stubs(triton.pid, triton.models) if stub.model == "late_member")
        os.kill(stub.pid, signal.SIGKILL)
        for future in at_work:
            with pytest.raises(InferenceServerException, match="its model late_member failed"):
                future.result(timeout=40)
    assert ask(0.125) == [0.25]


def test_callers_of_a_model_in_rounds_that_dies_at_work_are_told_and_the_next_is_answered(
    triton: EmbeddedTriton,
) -> None:
    def ask(value: float) -> list[float]:
        with closing(grpcclient.InferenceServerClient(triton.grpc_url)) as client:
            return call(client, "rounds", value, client_timeout=30)

    with ThreadPoolExecutor(4) as pool:
        at_work = [pool.submit(ask, 1000) for _ in range(4)]
        time.sleep(0.5)
        (stub,) = (stub for stub in find_stubs(triton.pid, triton.models) if stub.model == "rounds")
        os.kill(stub.pid, signal.SIGKILL)
        for future in at_work:
            with pytest.raises(InferenceServerException, match="is not healthy"):
                future.result(timeout=25)
    assert ask(1) == [4]


def test_a_stream_in_rounds_whose_model_dies_ends_with_an_error(triton: EmbeddedTriton) -> None:
    answers = stream(triton, "rounds", list(range(500)))
    assert next(answers) == 0
    (stub,) = (stub for stub in find_stubs(triton.pid, triton.models) if stub.model == "stream_rounds")
    os.kill(stub.pid, signal.SIGKILL)
    with pytest.raises(InferenceServerException, match="is not healthy"):
        list(answers)
    until = time.monotonic() + 60
    while triton.restarts["stream_rounds"] < 1:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert list(stream(triton, "rounds", [1, 2])) == [1, 2]


def test_a_caller_who_numbers_its_requests_gets_nothing_of_another(triton: EmbeddedTriton) -> None:
    client = grpcclient.InferenceServerClient(triton.grpc_url)

    def pry(number: int, **flags: bool) -> str:
        try:
            return str(call(client, "rounds", 1, sequence_id=number, client_timeout=10, **flags))
        except InferenceServerException as error:
            return str(error.status())

    with ThreadPoolExecutor(2) as pool:
        for started in (True, False):
            last = 2 + client.get_inference_statistics("rounds").model_stats[0].inference_count
            long = pool.submit(call, client, "rounds", 1000, client_timeout=8)
            time.sleep(0.3)
            seen = {pry(number, sequence_start=started) for number in range(1, last)}
            assert seen - {"[4.0]"} == {"StatusCode.INVALID_ARGUMENT"}  # 4: where the number was free
            # Without a start Triton forgets whose number it was: that request ends with its caller's own time.
            with pytest.raises(InferenceServerException, match="send it again" if started else "Deadline"):
                long.result(timeout=60)
    assert call(client, "rounds", 1) == [4]


def test_more_requests_than_may_be_at_work_wait_and_are_answered(triton: EmbeddedTriton) -> None:
    client = grpcclient.InferenceServerClient(triton.grpc_url)
    with ThreadPoolExecutor(150) as pool:
        answers = list(pool.map(lambda value: call(client, "rounds", value), range(1, 151)))
    assert answers == [[value + 3] for value in range(1, 151)]
