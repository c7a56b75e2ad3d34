"""PythonModel: what a model author writes, and what callers get when something is wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from textwrap import dedent, indent

import numpy as np
import pytest

from tests.unit.answers import refused, served
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.tensors import Array
from tritonzoo.testing import LoadedModel, TritonRequestError, load_model

CONFIG = """
backend: "python"
max_batch_size: 8
input [
  { name: "x"    data_type: TYPE_FP32   dims: [ -1 ] },
  { name: "note" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }
parameters { key: "factor" value { string_value: "3" } }
"""

HEAD = """
import sys
import numpy as np
from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.model import PythonModel

class TritonPythonModel(PythonModel):
"""


def python_model(folder: Path, body: str, config: str = CONFIG) -> LoadedModel:
    (folder / "toy" / "1").mkdir(parents=True)
    (folder / "toy" / "config.pbtxt").write_text(config)
    (folder / "toy" / "1" / "model.py").write_text(HEAD + indent(dedent(body), "    "))
    return load_model(folder / "toy")


def x(*values: float) -> dict[str, Array]:
    return {"x": np.array([values], dtype=np.float32)}


def test_inputs_come_by_name_and_parameters_in_the_type_of_their_default(tmp_path: Path) -> None:
    body = """
        def setup(self):
            self.factor = self.parameter("factor", 1.5)
            self.offset = self.parameter("offset", 10)

        def infer(self, x, note=None):
            return {"y": self.factor * x + self.offset + (0 if note is None else len(note[0, 0]))}
    """
    model = python_model(tmp_path, body)
    assert model.infer(**x(1, 2))["y"].tolist() == [[13, 16]]
    assert model.infer(**x(1), note=[["four"]])["y"].tolist() == [[17]]


def test_the_callers_mistake_is_his_alone_and_reaches_him_word_for_word(tmp_path: Path) -> None:
    body = """
        def infer(self, x, note=None):
            if x.sum() < 0:
                raise InvalidInput("x sums to less than zero; send larger numbers")
            return {"y": x}
    """
    good, bad, also_good = python_model(tmp_path, body).infer_batch([x(1), x(-1), x(2)])
    assert refused(bad).code == "INVALID_ARG"
    assert refused(bad).message == "x sums to less than zero; send larger numbers"
    assert served(good)["y"].tolist() == [[1]]
    assert served(also_good)["y"].tolist() == [[2]]


@pytest.mark.parametrize("crash", ["1 / 0", "open('/etc/secret')", "sys.exit(3)", "[][0]"])
def test_a_crash_is_an_internal_error_whose_traceback_is_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, crash: str
) -> None:
    body = f"""
        def infer(self, x, note=None):
            if x[0, 0] == 7:
                {crash}
            return {{"y": x}}
    """
    model = python_model(tmp_path, body)
    with caplog.at_level(logging.ERROR, "triton"):
        good, bad = model.infer_batch([x(1), x(7)])
    assert served(good)["y"].tolist() == [[1]]
    error = refused(bad)
    assert error.code == "INTERNAL"
    assert error.message.startswith("internal error in toy; ")
    assert "/" not in error.message
    assert "Traceback" not in error.message
    assert "Traceback" in caplog.text
    assert error.message.rpartition(" ")[2] in caplog.text  # the reference leads to the traceback


@pytest.mark.parametrize(
    ("answer", "output", "words"),
    [
        ("{'y': x.astype(np.int64)}", "TYPE_INT32 dims: [ -1 ]", None),
        ("{'y': x.astype(np.float64)}", "TYPE_FP32 dims: [ -1 ]", None),
        ("{'y': [['a', b'b']]}", "TYPE_STRING dims: [ -1 ]", None),
        (
            "{'y': x * 2}",
            "TYPE_INT32 dims: [ -1 ]",
            "output 'y' is float32, config.pbtxt promises TYPE_INT32",
        ),
        (
            "{'y': np.array([[2**40]])}",
            "TYPE_INT32 dims: [ -1 ]",
            "is int64, config.pbtxt promises TYPE_INT32",
        ),
        ("{'y': x}", "TYPE_FP32 dims: [ 5 ]", "has shape [1, 2], config.pbtxt promises [1, 5]"),
        (
            "{'y': np.tile(x, (3, 1))}",
            "TYPE_FP32 dims: [ -1 ]",
            "has shape [3, 2], config.pbtxt promises [1, -1]",
        ),
        ("{'y': x[0]}", "TYPE_FP32 dims: [ -1 ]", "has shape [2], config.pbtxt promises [1, -1]"),
        ("{'y': [[1, None]]}", "TYPE_STRING dims: [ -1 ]", "holds int, config.pbtxt promises TYPE_STRING"),
        ("{}", "TYPE_FP32 dims: [ -1 ]", "it answered the outputs [], config.pbtxt promises ['y']"),
        ("{'y': x, 'z': x}", "TYPE_FP32 dims: [ -1 ]", "it answered the outputs ['y', 'z']"),
        ("None", "TYPE_FP32 dims: [ -1 ]", "the server's log tells more under"),
    ],
)
def test_an_answer_is_held_to_the_configuration(
    tmp_path: Path, answer: str, output: str, words: str | None
) -> None:
    body = f"def infer(self, x, note=None):\n    return {answer}\n"
    config = CONFIG.replace(
        'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }',
        f'output {{ name: "y" data_type: {output} }}',
    )
    (result,) = python_model(tmp_path, body, config).infer_batch([x(1, 2)])
    if words is None:
        assert served(result)["y"].dtype == {"TYPE_INT32": np.int32, "TYPE_FP32": np.float32}.get(
            output[:10].strip(), object
        )
    else:
        assert refused(result).code == "INTERNAL"
        assert words in refused(result).message


def test_a_wrong_number_of_answers_is_an_error_for_every_request(tmp_path: Path) -> None:
    body = """
        def infer_batch(self, requests):
            return [{"y": requests[0]["x"]}]
    """
    answers = python_model(tmp_path, body).infer_batch([x(1), x(2)])
    assert [refused(answer).message for answer in answers] == [
        "internal error in toy; infer_batch gave 1 answers to 2 requests"
    ] * 2


def test_when_a_batch_fails_as_a_whole_only_its_culprit_fails(tmp_path: Path) -> None:
    body = """
        def infer_batch(self, requests):
            together = np.concatenate([request["x"] for request in requests])
            return [{"y": row[None]} for row in together]
    """
    model = python_model(tmp_path, body)
    assert [served(answer)["y"].tolist() for answer in model.infer_batch([x(1), x(2)])] == [[[1]], [[2]]]
    body_error = python_model(
        tmp_path / "second",
        """
        def infer_batch(self, requests):
            if any(request["x"][0, 0] < 0 for request in requests):
                raise InvalidInput("negative")
            return [{"y": request["x"]} for request in requests]
        """,
    ).infer_batch([x(1), x(-1), x(2)])
    assert [isinstance(answer, TritonRequestError) for answer in body_error] == [False, True, False]


def test_a_model_may_read_what_else_a_request_carries(tmp_path: Path) -> None:
    body = """
        def infer_request(self, request):
            assert request.id == "r1" and not request.is_cancelled()
            return {"y": request["x"] * request.parameters["times"]}
    """
    model = python_model(tmp_path, body)
    (answer,) = model.infer_batch([model.request(x(4), request_id="r1", parameters={"times": 5})])
    assert served(answer)["y"].tolist() == [[20]]


def test_a_request_that_was_cancelled_while_it_waited_is_not_computed(tmp_path: Path) -> None:
    body = """
        calls = 0

        def infer(self, x, note=None):
            import time
            time.sleep(0.03)
            self.calls += 1
            return {"y": x}
    """
    model = python_model(tmp_path, body)
    first, skipped, third = model.infer_batch([x(1), model.request(x(2), cancelled=True), x(3)])
    assert refused(skipped).code == "CANCELLED"
    assert served(first)["y"].tolist() == [[1]]
    assert served(third)["y"].tolist() == [[3]]
    assert model.model.calls == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "def infer(self, z, note=None): ...",
            "infer takes ['note', 'z'], and the inputs of config.pbtxt are",
        ),
        ("def infer(self, x, note): ...", "input 'note' is optional in config.pbtxt; give that argument"),
        (
            "def setup(self): self.parameter('factor', True)",
            "parameter 'factor' is '3'; it must be one of 1, true",
        ),
        ("def setup(self): raise ConfigurationError('no weights')", "model 'toy' cannot load: no weights"),
    ],
)
def test_a_model_that_does_not_fit_its_configuration_does_not_load(
    tmp_path: Path, body: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        python_model(tmp_path, body)
    assert words in str(raised.value)


def test_a_decoupled_model_is_refused_because_execute_answers_once(tmp_path: Path) -> None:
    config = CONFIG + "model_transaction_policy { decoupled: true }"
    with pytest.raises(ConfigurationError, match="it is decoupled"):
        python_model(tmp_path, "def infer(self, x, note=None): ...", config)


def test_numpy_2_is_refused_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.1.0")
    with pytest.raises(ConfigurationError, match=r"NumPy 2\.1\.0 is installed.*install 'numpy<2'"):
        python_model(tmp_path, "def infer(self, x, note=None): ...")


def test_a_models_log_is_in_tritons_log_under_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = """
        def setup(self):
            self.parameter("factor", 1)
            self.log.info("ready with %d labels", 3)

        def teardown(self):
            self.log.warning("gone")
    """
    with caplog.at_level(logging.DEBUG, "triton"):
        python_model(tmp_path, body).close()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "toy: ready with 3 labels"),
        ("WARNING", "toy: gone"),
    ]
