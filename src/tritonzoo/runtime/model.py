"""The base class of every Python model and Python-based backend.

A model is a class `TritonPythonModel(PythonModel)` in `1/model.py`:

    class TritonPythonModel(PythonModel):
        def setup(self) -> None:
            self.factor = self.parameter("factor", 2.0)

        def infer(self, x: np.ndarray) -> Mapping[str, np.ndarray]:
            if not np.isfinite(x).all():
                raise InvalidInput("x holds NaN or infinity; send finite numbers")
            return {"y": self.factor * x}
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from tritonzoo.runtime.errors import (
    CancelledError,
    ConfigurationError,
    InvalidInput,
    MemberError,
    WrongAnswerError,
)
from tritonzoo.runtime.log import triton_log
from tritonzoo.runtime.parameters import Parameters, Value
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.tensors import TensorSpec, tensor_specs

Answer = Mapping[str, Any]

# Asking costs about 0.05 ms, more than a small model takes, so it pays only for a request that has waited
# behind slow ones of its own batch. (Triton does hand over requests that were cancelled in the queue.)
CANCELLATION_CHECK_AFTER_S = 0.02


class PythonModel:
    """Turns `setup` and `infer` into what Triton's Python backend calls.

    Every request of a batch is answered by itself: an InvalidInput or a crash in one leaves the others
    served. Answers are held to config.pbtxt, because Triton passes a wrong data type or shape on as a
    success.
    """

    name: str  # of the model
    config: dict[str, Any]  # the model configuration, Triton's JSON
    folder: Path  # the model's: config.pbtxt, labels.txt
    version_folder: Path  # the artifacts: model.onnx, tokenizer.json
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    instance_kind: str  # "CPU" or "GPU"
    device_id: int  # which GPU
    log: logging.Logger  # writes to Triton's log
    _is_set_up = False

    def setup(self) -> None:
        """Load what the model needs, once. Raise ConfigurationError to refuse."""

    def teardown(self) -> None:
        """Release what `setup` took, once, before the server lets the model go."""

    def infer(self, *args: Any, **inputs: Any) -> Answer:
        """Answer one request: inputs by name to outputs by name.

        Arrays have the batch axis first when max_batch_size > 0. An optional input that the caller left
        out is not passed, so give it a default. Raise InvalidInput for the caller's mistakes. Name the
        inputs in the signature, as in the module's example.
        """
        raise NotImplementedError(f"{type(self).__name__} defines none of infer, infer_request, infer_batch")

    def infer_request(self, request: Request) -> Answer:
        """Answer one request, for a model that also wants its parameters, id or cancellation."""
        return self.infer(**request)

    def infer_batch(self, requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        """Answer the requests that Triton batched, each with outputs or with its own exception.

        The default answers them one by one. One that raises is called again with every request alone,
        so that only the culprit fails: change no state before you are sure to answer.
        """
        answers: list[Answer | Exception] = []
        start_s = time.monotonic()
        for request in requests:
            if time.monotonic() - start_s > CANCELLATION_CHECK_AFTER_S and request.is_cancelled():
                answers.append(CancelledError("the caller cancelled the request"))
                continue
            try:
                answers.append(self.infer_request(request))
            except Exception as error:  # noqa: BLE001  whatever it is belongs to this request alone
                answers.append(error)
        return answers

    @overload
    def parameter(self, name: str, default: Value) -> Value: ...
    @overload
    def parameter(self, name: str, default: None = None) -> str | None: ...

    def parameter(self, name: str, default: bool | float | str | None = None) -> bool | float | str | None:
        """A parameter of config.pbtxt in the type of `default`, or `default` where it is not set."""
        return self.parameters.get(name, default)

    def initialize(self, args: Mapping[str, str]) -> None:
        """Called by Triton when the model loads."""
        if int(np.__version__.split(".")[0]) >= 2:
            # Seen in Triton 24.10: numeric inputs arrive with every element equal to the first.
            raise ConfigurationError(
                f"NumPy {np.__version__} is installed, and with NumPy 2 this Triton hands models wrong"
                " tensors; install 'numpy<2' in the environment that Triton uses"
            )
        self._pb = importlib.import_module("triton_python_backend_utils")
        self.name = args["model_name"]
        self.config = json.loads(args["model_config"])
        self.folder = Path(args["model_repository"]).absolute()
        self.version_folder = self.folder / args["model_version"]
        self.instance_kind = args["model_instance_kind"]
        self.device_id = int(args["model_instance_device_id"])
        self.log = triton_log(self.name, self._pb.Logger)
        self.parameters = Parameters(self.config)
        self._batches = self.config["max_batch_size"] > 0
        try:
            self.inputs = tensor_specs(self.config, "input")
            self.outputs = tensor_specs(self.config, "output")
            self._check_policy()
            self._check_signature()
            self.setup()
            self._is_set_up = True
        except ConfigurationError as error:
            raise ConfigurationError(f"model '{self.name}' cannot load: {error}") from error
        for unread in self.parameters.unread():
            self.log.warning("parameter '%s' of config.pbtxt is read by nobody; is it misspelt?", unread)

    def execute(self, triton_requests: Sequence[Any]) -> list[Any]:
        """Called by Triton with the requests of one batch; returns as many responses."""
        requests = [Request(triton_request) for triton_request in triton_requests]
        answers = self._answers(requests)
        return [self._response(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def finalize(self) -> None:
        """Called by Triton before it lets the model go, also after a failed `initialize`."""
        if self._is_set_up:
            self.teardown()

    def _answers(self, requests: Sequence[Request]) -> list[Answer | BaseException]:
        try:
            answers: list[Answer | BaseException] = list(self.infer_batch(requests))
        except (Exception, SystemExit) as error:  # noqa: BLE001  `_error` reports it, whatever it is
            if len(requests) == 1:
                return [error]
            return [self._answers([request])[0] for request in requests]
        if len(answers) != len(requests):
            text = f"infer_batch gave {len(answers)} answers to {len(requests)} requests"
            return [WrongAnswerError(text) for _ in requests]
        return answers

    def _response(self, request: Request, answer: Answer | BaseException) -> Any:
        if isinstance(answer, BaseException):
            return self._pb.InferenceResponse(error=self._error(answer))
        try:
            return self._pb.InferenceResponse(self._tensors(request, answer))
        except Exception as error:  # noqa: BLE001  a bad answer is this request's error, not the batch's
            return self._pb.InferenceResponse(error=self._error(error))

    def _tensors(self, request: Request, answer: Answer) -> list[Any]:
        if answer.keys() != self.outputs.keys():
            raise WrongAnswerError(
                f"it answered the outputs {sorted(answer)}, config.pbtxt promises {sorted(self.outputs)}"
            )
        batch_size = request.batch_size if self._batches else None
        return [
            self._pb.Tensor(name, spec.conform(answer[name], batch_size))
            for name, spec in self.outputs.items()
        ]

    def _error(self, error: BaseException) -> Any:
        """The error that the caller sees: never a traceback, never a path."""
        codes = self._pb.TritonError
        if isinstance(error, InvalidInput):
            return codes(str(error), codes.INVALID_ARG)
        if isinstance(error, CancelledError):
            return codes(str(error), codes.CANCELLED)
        reference = secrets.token_hex(4)
        self.log.error("internal error %s", reference, exc_info=error)
        text = f"the server's log tells more under {reference}"
        if isinstance(error, WrongAnswerError):
            text = str(error)
        elif isinstance(error, MemberError):
            text = f"its model {error.model} failed; {text}"
        return codes(f"internal error in {self.name}; {text}", codes.INTERNAL)

    def _check_policy(self) -> None:
        if self.config.get("model_transaction_policy", {}).get("decoupled", False):
            raise ConfigurationError(
                "it is decoupled, and a PythonModel gives each request one answer; derive it from"
                " ConcurrentModel, or take model_transaction_policy out of config.pbtxt"
            )

    def _check_signature(self) -> None:
        """Refuse an `infer` whose arguments are not the inputs of config.pbtxt."""
        if type(self).infer is PythonModel.infer:
            return
        arguments = inspect.signature(self.infer).parameters
        if any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
            return
        if arguments.keys() != self.inputs.keys():
            raise ConfigurationError(
                f"infer takes {sorted(arguments)}, and the inputs of config.pbtxt are {sorted(self.inputs)};"
                " give both the same names"
            )
        for name, spec in self.inputs.items():
            if spec.optional and arguments[name].default is inspect.Parameter.empty:
                raise ConfigurationError(
                    f"input '{name}' is optional in config.pbtxt; give that argument of infer a default"
                )
