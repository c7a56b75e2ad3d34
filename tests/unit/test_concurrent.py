"""ConcurrentModel: answers when they are ready, calls to other models, streams."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pytest

from tests.unit.answers import refused, served
from tritonzoo.runtime import rounds as rounds_module
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.tensors import Array
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model
from tritonzoo.testing.pb_utils import Call, InferenceRequest

CONFIG = """
backend: "python"
input [{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] }]
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
"""
ROUNDS = CONFIG + "sequence_batching { iterative_sequence: true oldest { max_candidate_sequences: 64 } }\n"
DECOUPLED = "model_transaction_policy { decoupled: true }\n"

HEAD = """
import threading
import numpy as np
from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.errors import CancelledError, InvalidInput

class TritonPythonModel(ConcurrentModel):
"""


def model(folder: Path, body: str, config: str = CONFIG, calls: dict[str, Call] | None = None) -> LoadedModel:
    (folder / "toy" / "1").mkdir(parents=True)
    (folder / "toy" / "config.pbtxt").write_text(config)
    (folder / "toy" / "1" / "model.py").write_text(HEAD + indent(dedent(body), "    "))
    return load_model(folder / "toy", calls=calls)


@pytest.fixture(params=[CONFIG, ROUNDS], ids=["late", "rounds"])
def config(request: pytest.FixtureRequest) -> str:
    """Each way in which answers reach the caller."""
    return str(request.param)


def x(*values: float) -> dict[str, Array]:
    return {"x": np.array(values, dtype=np.float32)}


def test_every_request_of_a_batch_is_at_work_at_the_same_time(tmp_path: Path, config: str) -> None:
    body = """
        def setup(self):
            self.barrier = threading.Barrier(3)

        def infer(self, x):
            self.barrier.wait(timeout=20)  # passes only when three are here
            return {"y": 2 * x}
    """
    with model(tmp_path, body, config) as toy:
        answers = toy.infer_batch([x(1), x(2, 3), x(4)])
    assert [served(answer)["y"].tolist() for answer in answers] == [[2], [4, 6], [8]]


def test_one_requests_mistake_or_crash_is_its_own(tmp_path: Path, config: str) -> None:
    body = """
        def infer(self, x):
            if x[0] < 0:
                raise InvalidInput("x is negative; send more")
            return {"y": x / x[0]} if x[0] else {"z": x}
    """
    with model(tmp_path, body, config) as toy:
        good, mistaken, wrong = toy.infer_batch([x(1), x(-1), x(0)])
    assert served(good)["y"].tolist() == [1]
    assert (refused(mistaken).code, refused(mistaken).message) == ("INVALID_ARG", "x is negative; send more")
    assert refused(wrong).code == "INTERNAL"
    assert "it answered the outputs ['z']" in refused(wrong).message


def test_no_more_than_threads_are_at_work_and_the_rest_waits_with_triton(tmp_path: Path, config: str) -> None:
    body = """
        threads = 2

        def setup(self):
            self.now = self.most = 0
            self.lock = threading.Lock()

        def infer(self, x):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            threading.Event().wait(0.01)
            with self.lock:
                self.now -= 1
            return {"y": x}
    """
    with model(tmp_path, body, config) as toy:
        assert len([served(answer) for answer in toy.infer_batch([x(1)] * 10)]) == 10
        assert toy.model.most == 2


CALLS = 'parameters { key: "calls" value { string_value: "double, other" } }'
CALLER = """
    def infer(self, x):
        return {"y": self.call("double", {"x": x}, parameters={"factor": 2}, pass_on_refusals=True)["y"]}
"""


def double(inputs: Any, parameters: Any) -> dict[str, Array]:
    if inputs["x"][0] < 0:
        raise InvalidInput("x is negative; send more")
    if inputs["x"][0] == 7:
        raise RuntimeError("internal error in double; the server's log tells more under 1a2b")
    return {"y": parameters["factor"] * inputs["x"]}


def test_another_model_is_called_and_its_refusal_is_passed_on(tmp_path: Path, config: str) -> None:
    with model(tmp_path, CALLER, config + CALLS, calls={"double": double}) as toy:
        good, refusal, failure = toy.infer_batch([x(3), x(-1), x(7)])
    assert served(good)["y"].tolist() == [6]
    assert (refused(refusal).code, refused(refusal).message) == ("INVALID_ARG", "x is negative; send more")
    assert refused(failure).code == "INTERNAL"
    assert refused(failure).message.startswith("internal error in toy; its model double failed; ")


def test_a_model_that_is_not_there_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        model(tmp_path, CALLER, CONFIG + CALLS) as toy,
        caplog.at_level("ERROR", "triton"),
        pytest.raises(TritonRequestError) as error,
    ):
        toy.infer(**x(1))
    assert error.value.code == "INTERNAL"
    assert "its model double failed" in error.value.message
    assert "is not ready" in caplog.text


def test_a_call_that_the_configuration_does_not_name_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        model(tmp_path, CALLER, calls={"double": double}) as toy,
        caplog.at_level("ERROR", "triton"),
        pytest.raises(TritonRequestError, match="INTERNAL"),
    ):
        toy.infer(**x(1))
    assert "it calls double, which the parameter 'calls' of its config.pbtxt does not name" in caplog.text


STREAM = """
    closed = None

    def setup(self):
        type(self).closed = threading.Event()

    def stream_request(self, request):
        try:
            for value in request["x"]:
                if value < 0:
                    raise InvalidInput("x is negative; send more")
                yield {"y": [value]}
        finally:
            self.closed.set()
"""


def test_a_stream_sends_each_answer_and_ends(tmp_path: Path, config: str) -> None:
    with model(tmp_path, STREAM, config + DECOUPLED) as toy:
        assert [served(answer)["y"].tolist() for answer in toy.stream(x(1, 2, 3))] == [[1], [2], [3]]
        assert list(toy.stream(x())) == []


def test_an_error_ends_a_stream_after_the_answers_before_it(tmp_path: Path, config: str) -> None:
    with model(tmp_path, STREAM, config + DECOUPLED) as toy:
        *before, last = toy.stream(x(1, 2, -1, 4))
    assert [served(answer)["y"].tolist() for answer in before] == [[1], [2]]
    assert refused(last).code == "INVALID_ARG"


def test_a_stream_whose_caller_goes_is_closed(tmp_path: Path, config: str) -> None:
    body = """
        def setup(self):
            self.closed = threading.Event()

        def stream_request(self, request):
            try:
                while True:
                    yield {"y": request["x"]}
            finally:
                self.closed.set()
    """
    with model(tmp_path, body, config + DECOUPLED) as toy:
        request = toy.request(x(1))
        answers = toy.stream(request)
        served(next(answers))
        request.cancel()
        assert all(served(answer) for answer in answers)  # it ends, and not with an error that nobody reads
        assert toy.model.closed.wait(timeout=20)


def test_finalize_waits_for_what_is_at_work(tmp_path: Path) -> None:
    body = """
        def setup(self):
            self.go, self.done = threading.Event(), threading.Event()

        def infer(self, x):
            self.go.wait(timeout=20)
            self.done.set()
            return {"y": x}
    """
    toy = model(tmp_path, body)
    request = toy.request(x(1))
    assert toy.model.execute([request]) is None
    closing = threading.Thread(target=toy.close)
    closing.start()
    toy.model.go.set()
    closing.join(timeout=20)
    assert toy.model.done.is_set()
    assert len(list(request.get_response_sender().responses())) == 1


def test_nobody_asks_triton_about_a_request_whose_last_answer_is_sent(tmp_path: Path) -> None:
    body = """
        def infer_request(self, request):
            self.request = request
            return {"y": request["x"]}
    """
    with model(tmp_path, body) as toy:
        request = toy.request(x(1))
        served(toy.infer_batch([request])[0])
        request.cancel()  # a server would be ended by the question now
        assert not toy.model.request.is_cancelled()


SLEEPER = """
    def setup(self):
        self.go = threading.Event()

    def infer_request(self, request):
        if request["x"][0] > 0:
            self.go.wait(timeout=20)
        return {"y": request["x"]}
"""


def rounds(toy: LoadedModel, *requests: InferenceRequest, at_most: int = 1000) -> list[Any]:
    """What `execute` returns for the first of them to be answered, each handed over by itself."""
    for _ in range(at_most):
        for request in requests:
            (response,) = toy.model.execute([request])
            if not request.comes_again():
                return [request, response]
    raise AssertionError("none was answered")


def answered_in_turn(toy: LoadedModel, waiting: Iterable[InferenceRequest]) -> None:
    """Each is answered without an error; handed over first in, first out, as Triton's queue does."""
    queue = deque(waiting)
    for _ in range(1000 * len(queue)):
        if not queue:
            return
        request = queue.popleft()
        (response,) = toy.model.execute([request])
        if request.comes_again():
            queue.append(request)
        else:
            assert response.error() is None, response.error().message()
    raise AssertionError(f"{len(queue)} were not answered")


def test_in_rounds_a_short_request_overtakes_a_long_one_and_its_arrays_are_its_own(tmp_path: Path) -> None:
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        long, short = toy.request(x(1, 2)), toy.request(x(0))
        long.number_sequence(1)
        short.number_sequence(2)
        first, response = rounds(toy, long, short)
        assert first is short
        assert response.output_tensors()[0].as_numpy().tolist() == [0]
        toy.model.go.set()
        _, response = rounds(toy, long)
        assert response.output_tensors()[0].as_numpy().tolist() == [1, 2]


def test_in_rounds_nobody_gets_the_answer_of_another_by_its_number(tmp_path: Path) -> None:
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        victim = toy.request(x(1, 2))
        victim.number_sequence(7)
        assert toy.model.execute([victim]) == [None]
        assert victim.comes_again()
        toy.model.go.set()
        for parameters in ({}, {"window_s": 1}):
            thief = toy.request(x(1, 3) if not parameters else x(1, 2), sequence=7, parameters=parameters)
            (response,) = toy.model.execute([thief])
            assert response.error().code().name == "INVALID_ARG"
            assert "leave out sequence_id" in response.error().message()
        _, response = rounds(toy, victim)
        assert response.output_tensors()[0].as_numpy().tolist() == [1, 2]


def test_in_rounds_a_request_whose_number_another_begins_anew_is_told(tmp_path: Path) -> None:
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        victim, other = toy.request(x(1, 2)), toy.request(x(1, 2), sequence=7, start=True)
        victim.number_sequence(7)
        assert toy.model.execute([victim]) == [None]
        assert victim.comes_again()
        (response,) = toy.model.execute([other])
        assert response.error().code().name == "INVALID_ARG"
        (response,) = toy.model.execute([victim])
        assert response.error().code().name == "CANCELLED"
        assert "send it again" in response.error().message()
        toy.model.go.set()


@pytest.mark.parametrize(("start", "end"), [(False, False), (False, True), (True, True)])
def test_in_rounds_a_caller_who_numbers_its_requests_is_told_not_to(
    tmp_path: Path, start: bool, end: bool
) -> None:
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        (answer,) = toy.infer_batch([toy.request(x(0), sequence=5, start=start, end=end)])
        assert refused(answer).code == "INVALID_ARG"
        assert "leave out sequence_id" in refused(answer).message


def test_in_rounds_a_caller_who_leaves_is_noticed(tmp_path: Path) -> None:
    body = """
        def infer_request(self, request):
            while not request.is_cancelled():
                threading.Event().wait(0.005)
            raise CancelledError("the caller cancelled the request")
    """
    with model(tmp_path, body, ROUNDS) as toy:
        (answer,) = toy.infer_batch([toy.request({"x": x(1)["x"]}, cancelled=True)])
        assert refused(answer).code == "CANCELLED"


def test_in_rounds_finished_work_that_nobody_asks_for_holds_nobody_up(tmp_path: Path) -> None:
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        lost, long = toy.request(x(0)), toy.request(x(1))
        lost.number_sequence(1)
        long.number_sequence(2)
        for request in (long, lost):
            assert toy.model.execute([request]) == [None]
            assert request.comes_again()  # but the other never does: begun, done, and never asked for again
        start_s = time.monotonic()
        for _ in range(20):
            assert toy.model.execute([long]) == [None]
            assert long.comes_again()
        assert time.monotonic() - start_s > 15 * rounds_module.LEAST_ROUND_S  # they wait: no busy loop
        toy.model.go.set()
        _, response = rounds(toy, long)
        assert response.error() is None, response.error().message()


def test_in_rounds_an_answer_among_many_does_not_make_the_others_rounds_a_busy_loop(tmp_path: Path) -> None:
    """Each of sixteen answers would otherwise cost a core sixteen rounds without a pause."""
    with model(tmp_path, SLEEPER, ROUNDS) as toy:
        *others, done = [toy.request(x(number)) for number in (1, 2, 3, 4, 5, 6, 7, 0)]
        for number, request in enumerate((*others, done), 1):
            request.number_sequence(number)
            assert toy.model.execute([request]) == [None]
            assert request.comes_again()
        start_s = time.monotonic()
        for request in others:
            assert toy.model.execute([request]) == [None]
            assert request.comes_again()
        assert time.monotonic() - start_s >= len(others) * rounds_module.LEAST_ROUND_S
        (response,) = toy.model.execute([done])
        assert response.error() is None
        toy.model.go.set()


WATCHED = """
    def setup(self):
        self.go, self.left = threading.Event(), threading.Event()

    def infer_request(self, request):
        while not (request.is_cancelled() or self.go.is_set()):
            self.go.wait(0.005)
        if request.is_cancelled():
            self.left.set()
        return {"y": request["x"]}
"""


def test_in_rounds_a_request_that_gets_no_turns_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "LONGEST_ROUND_S", 0.01)
    with model(tmp_path, WATCHED, ROUNDS) as toy:
        dropped = toy.request(x(1))
        dropped.number_sequence(1)
        assert toy.model.execute([dropped]) == [None]
        assert toy.model.left.wait(timeout=20)


def test_in_rounds_a_request_that_others_overtake_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "LOST_BEATS", 10**6)  # by its turns, not by the clock
    with model(tmp_path, WATCHED, ROUNDS) as toy:
        dropped, *others = [toy.request(x(number)) for number in (1, 2, 3)]
        for number, request in enumerate((dropped, *others), 1):
            request.number_sequence(number)
            assert toy.model.execute([request]) == [None]
        assert not toy.model.left.is_set()
        deadline_s = time.monotonic() + 20
        while not toy.model.left.is_set() and time.monotonic() < deadline_s:
            for request in others:
                assert request.comes_again()
                assert toy.model.execute([request]) == [None]
        assert toy.model.left.is_set()
        toy.model.go.set()
        for request in others:
            assert request.comes_again()
        answered_in_turn(toy, others)


def test_in_rounds_many_who_take_turns_are_never_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "BEAT_S", 0.001)
    monkeypatch.setattr(rounds_module, "IDLE_BEAT_S", 0.001)
    monkeypatch.setattr(rounds_module, "LOST_BEATS", 10**6)
    with model(tmp_path, WATCHED, ROUNDS) as toy:
        queue = deque(toy.request(x(number)) for number in range(1, 17))
        for number, request in enumerate(queue, 1):
            request.number_sequence(number)
        for _ in range(200):  # first in, first out
            request = queue.popleft()
            queue.append(request)
            assert toy.model.execute([request]) == [None]
            assert request.comes_again()
        assert not toy.model.left.is_set()
        toy.model.go.set()
        answered_in_turn(toy, queue)
        assert not toy.model.left.is_set()


def test_in_rounds_a_process_that_was_frozen_gives_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "LONGEST_ROUND_S", 0.05)
    with model(tmp_path, WATCHED, ROUNDS) as toy:
        request = toy.request(x(1))
        request.number_sequence(1)
        assert toy.model.execute([request]) == [None]
        assert request.comes_again()
        ctypes.PyDLL(None).usleep(900_000)  # with the interpreter's lock: no thread runs, as in SIGSTOP
        time.sleep(0.12)  # whoever looks for lost requests is back before Triton
        toy.model.go.set()
        _, response = rounds(toy, request)
        assert response.error() is None
        assert not toy.model.left.is_set()
