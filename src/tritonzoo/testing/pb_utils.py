"""An in-memory `triton_python_backend_utils`: what a model sees of Triton, with no server.

Names, arguments and behaviour are those of Triton 2.51. A call to another model (BLS) is answered by the
function that `load_model(..., calls={"model": function})` names. Metrics need a server.
"""

from __future__ import annotations

import enum
import json
import logging
import queue
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.tensors import NUMPY_DTYPES

Array = NDArray[Any]

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_RELEASE_ALL = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = 2

TRITON_STRING_TO_NUMPY = {name: dtype.type for name, dtype in NUMPY_DTYPES.items()}

Call = Callable[[Mapping[str, Array], Mapping[str, Any]], Mapping[str, Array]]

CALLS: dict[str, Call] = {}  # model -> what answers a call to it: (inputs, parameters) -> outputs

_log = logging.getLogger("triton")


class TritonModelException(Exception):
    """What a model may raise in `initialize` and `execute`."""


class TritonError:
    """An error as the caller gets it: a message and one of eight codes."""

    class _Code(enum.IntEnum):
        UNKNOWN = 0
        INTERNAL = 1
        NOT_FOUND = 2
        INVALID_ARG = 3
        UNAVAILABLE = 4
        UNSUPPORTED = 5
        ALREADY_EXISTS = 6
        CANCELLED = 7

    UNKNOWN = _Code.UNKNOWN
    INTERNAL = _Code.INTERNAL
    NOT_FOUND = _Code.NOT_FOUND
    INVALID_ARG = _Code.INVALID_ARG
    UNAVAILABLE = _Code.UNAVAILABLE
    UNSUPPORTED = _Code.UNSUPPORTED
    ALREADY_EXISTS = _Code.ALREADY_EXISTS
    CANCELLED = _Code.CANCELLED

    def __init__(self, message: str, code: TritonError._Code = _Code.INTERNAL) -> None:
        self._message, self._code = message, code

    def message(self) -> str:
        """The sentence."""
        return self._message

    def code(self) -> TritonError._Code:
        """One of the codes above."""
        return self._code


class Tensor:
    """A named array; text is held serialised, as Triton holds it."""

    def __init__(self, name: str, array: Array) -> None:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"Tensor '{name}' needs a numpy.ndarray, not {type(array).__name__}")
        self._name, self._shape, self._dtype = name, array.shape, array.dtype
        if array.dtype.kind in "OS":
            self._dtype = np.dtype(object)
            self._data: bytes | Array = bytes(serialize_byte_tensor(array) or b"")
        elif array.dtype not in NUMPY_DTYPES.values():
            raise TritonModelException(f"tensor '{name}' is {array.dtype}, which Triton has no type for")
        else:
            self._data = np.array(array, order="C")

    def name(self) -> str:
        """The tensor's name."""
        return self._name

    def shape(self) -> list[int]:
        """The sizes of its axes."""
        return list(self._shape)

    def as_numpy(self) -> Array:
        """The array; text as an object array of bytes."""
        if isinstance(self._data, bytes):
            return deserialize_bytes_tensor(self._data).reshape(self._shape)
        return self._data

    def is_cpu(self) -> bool:
        """Always true in memory."""
        return True


class InferenceResponse:
    """The answer to one request: output tensors or an error."""

    def __init__(self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> None:
        self._output_tensors, self._error = list(output_tensors), error

    def output_tensors(self) -> list[Tensor]:
        """The outputs."""
        return self._output_tensors

    def has_error(self) -> bool:
        """Whether this is an error."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """The error, if it is one."""
        return self._error


class InferenceResponseSender:
    """Where a model sends the answers of one request when `execute` has returned."""

    def __init__(self, request: InferenceRequest) -> None:
        """Use `InferenceRequest.get_response_sender`."""
        self._request = request
        self._sent: queue.SimpleQueue[InferenceResponse | None] = queue.SimpleQueue()
        self._is_final = False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send one response; the last one, or nothing after it, with the flag that says so."""
        if self._is_final:
            raise TritonModelException("a response was sent after the final one")
        if response is None and not flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL:
            raise TritonModelException("send needs a response or the final flag")
        if response is not None:
            self._sent.put(response)
        if flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL:
            self._is_final = True
            self._sent.put(None)

    def is_cancelled(self) -> bool:
        """Whether the caller has gone."""
        return self._request.is_cancelled()

    def sent(self) -> Iterator[InferenceResponse]:
        """What was sent so far and not asked for yet (not in Triton)."""
        while not self._sent.empty():
            response = self._sent.get()
            if response is not None:
                yield response

    def responses(self, timeout_s: float = 60) -> Iterator[InferenceResponse]:
        """What was sent, as it comes, to the final one (not in Triton: a caller has the network).

        Raises queue.Empty when the model sends nothing for `timeout_s` seconds.
        """
        while (response := self._sent.get(timeout=timeout_s)) is not None:
            yield response


class InferenceRequest:
    """What a model receives for one caller, or makes to call another model."""

    def __init__(
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Iterable[Tensor] = (),
        requested_output_names: Iterable[str] = (),
        parameters: Mapping[str, str | int | bool] | None = None,
        flags: int = 0,
        timeout: int = 0,
        cancelled: bool = False,
        model_name: str = "",
    ) -> None:
        """`cancelled` stands for a caller who has gone; the rest is as in Triton."""
        self._request_id, self._correlation_id = request_id, correlation_id
        self._inputs, self._requested_output_names = list(inputs), set(requested_output_names)
        self._parameters, self._flags, self._timeout = dict(parameters or {}), flags, timeout
        self._cancelled, self._model_name = cancelled, model_name
        self._sender: InferenceResponseSender | None = None
        self._release_flags = TRITONSERVER_REQUEST_RELEASE_ALL

    def set_release_flags(self, flags: int) -> None:
        """What becomes of the request when `execute` returns: it is over, or comes again (RESCHEDULE)."""
        self._release_flags = flags

    def comes_again(self) -> bool:
        """Whether the model wants it in the next round (not in Triton: its scheduler asks this)."""
        again = self._release_flags == TRITONSERVER_REQUEST_RELEASE_RESCHEDULE
        if again:
            self._release_flags, self._flags = TRITONSERVER_REQUEST_RELEASE_ALL, 0
        return again

    def inputs(self) -> list[Tensor]:
        """The input tensors that the caller sent."""
        return self._inputs

    def request_id(self) -> str:
        """The caller's id of this request."""
        return self._request_id

    def correlation_id(self) -> int | str:
        """The caller's id of a sequence of requests; 0 for none."""
        return self._correlation_id

    def requested_output_names(self) -> set[str]:
        """The outputs that the caller wants."""
        return self._requested_output_names

    def parameters(self) -> str:
        """The request parameters as a JSON object."""
        return json.dumps(self._parameters)

    def flags(self) -> int:
        """Start and end of a sequence."""
        return self._flags

    def number_sequence(self, number: int) -> None:
        """Become the first of a sequence of Triton's own (not in Triton: its scheduler does so)."""
        self._correlation_id, self._flags = number, TRITONSERVER_REQUEST_FLAG_SEQUENCE_START

    def set_flags(self, flags: int) -> None:
        """Replace the flags."""
        self._flags = flags

    def timeout(self) -> int:
        """The caller's time limit in microseconds; 0 for none."""
        return self._timeout

    def is_cancelled(self) -> bool:
        """Whether the caller has gone."""
        return self._cancelled

    def cancel(self) -> None:
        """The caller goes (not in Triton: a caller closes its stream)."""
        self._cancelled = True

    def exec(self, decoupled: bool = False) -> InferenceResponse:
        """Call the model `model_name`; an error of any kind is INTERNAL, as in Triton."""
        if self._model_name not in CALLS:
            return InferenceResponse(
                error=TritonError(
                    f"Failed for execute the inference request. Model '{self._model_name}' is not ready;"
                    f" in a test, load_model(..., calls={{'{self._model_name}': function}}) answers for it"
                )
            )
        inputs = {tensor.name(): tensor.as_numpy() for tensor in self._inputs}
        try:
            outputs = CALLS[self._model_name](inputs, self._parameters)
        except Exception as error:  # noqa: BLE001  a model's error is the caller's response
            return InferenceResponse(error=TritonError(str(error)))
        return InferenceResponse([Tensor(name, array) for name, array in outputs.items()])

    def get_response_sender(self) -> InferenceResponseSender:
        """Where to send answers when `execute` has returned."""
        if self._sender is None:
            self._sender = InferenceResponseSender(self)
        return self._sender


class Logger:
    """Triton's log, passed to Python's logger "triton"."""

    class LogLevel(enum.IntEnum):
        """Triton's levels."""

        INFO = 0
        WARNING = 1
        ERROR = 2
        VERBOSE = 3

    INFO, WARNING, ERROR, VERBOSE = LogLevel.INFO, LogLevel.WARNING, LogLevel.ERROR, LogLevel.VERBOSE
    _PYTHON_LEVEL: ClassVar[dict[LogLevel, int]] = {
        LogLevel.INFO: logging.INFO,
        LogLevel.WARNING: logging.WARNING,
        LogLevel.ERROR: logging.ERROR,
        LogLevel.VERBOSE: logging.DEBUG,
    }

    @classmethod
    def log(cls, message: str, level: Logger.LogLevel = LogLevel.INFO) -> None:
        """Write `message` at `level`."""
        _log.log(cls._PYTHON_LEVEL[level], "%s", message)

    @classmethod
    def log_info(cls, message: str) -> None:
        """Write an information."""
        cls.log(message, cls.INFO)

    @classmethod
    def log_warn(cls, message: str) -> None:
        """Write a warning."""
        cls.log(message, cls.WARNING)

    @classmethod
    def log_error(cls, message: str) -> None:
        """Write an error."""
        cls.log(message, cls.ERROR)

    @classmethod
    def log_verbose(cls, message: str) -> None:
        """Write what only a verbose server logs."""
        cls.log(message, cls.VERBOSE)


def serialize_byte_tensor(input_tensor: Array) -> bytes | tuple[()] | None:
    """Texts as Triton's bytes: for each its length (4 bytes, little-endian) and its content, in C order.

    An empty array gives (), an array of numbers None, as in Triton.
    """
    if input_tensor.size == 0:
        return ()
    if input_tensor.dtype.kind not in "OS":
        return None
    contents = [
        item if isinstance(item, bytes) else str(item).encode() for item in input_tensor.reshape(-1).tolist()
    ]
    return b"".join(struct.pack("<I", len(content)) + content for content in contents)


def deserialize_bytes_tensor(encoded_tensor: bytes) -> Array:
    """The inverse of `serialize_byte_tensor`: a flat object array of bytes."""
    contents, offset = [], 0
    while offset < len(encoded_tensor):
        (length,) = struct.unpack_from("<I", encoded_tensor, offset)
        contents.append(encoded_tensor[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return np.array(contents, dtype=object)


def _named(tensors: Iterable[Tensor], name: str) -> Tensor | None:
    return next((tensor for tensor in tensors if tensor.name() == name), None)


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    """The input of that name, or None."""
    return _named(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    """The output of that name, or None."""
    return _named(inference_response.output_tensors(), name)


def _entry(model_config: Mapping[str, Any], side: str, name: str) -> dict[str, Any] | None:
    return next((dict(entry) for entry in model_config.get(side, []) if entry["name"] == name), None)


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The configuration of the input of that name, or None."""
    return _entry(model_config, "input", name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The configuration of the output of that name, or None."""
    return _entry(model_config, "output", name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether the model may answer a request any number of times."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def triton_string_to_numpy(triton_type_string: str) -> type[Any]:
    """NumPy's type of a data type named as in config.pbtxt."""
    return TRITON_STRING_TO_NUMPY[triton_type_string]
