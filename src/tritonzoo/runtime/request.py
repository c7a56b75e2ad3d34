"""One request as a Python model sees it."""

from __future__ import annotations

import json
import threading
from functools import cached_property
from typing import Any

import numpy as np

from tritonzoo.runtime.tensors import Array

_SEQUENCE_START, _SEQUENCE_END = 1, 2  # TRITONSERVER_REQUEST_FLAG_SEQUENCE_START and _END of tritonserver.h


class Request(dict[str, Array]):
    """The inputs of one request by name, with what else the caller sent along.

    Numeric arrays are views of Triton's shared memory and are valid until `execute` returns or the request is
    answered: copy what has to live longer. An optional input that the caller left out is not a key.
    """

    id: str  # the caller's; empty where there is none
    sequence_id: int | str  # the sequence that it belongs to; 0 for one that stands by itself

    def __init__(self, triton_request: Any, caller: Any = None) -> None:
        """`triton_request` is an InferenceRequest of `triton_python_backend_utils`.

        `caller` is what knows, with `is_cancelled()`, whether the caller still waits, where the request does
        not: its response sender once `execute` has returned.
        """
        super().__init__((tensor.name(), tensor.as_numpy()) for tensor in triton_request.inputs())
        self.id = str(triton_request.request_id())
        self.sequence_id = triton_request.correlation_id()
        self._parameters = triton_request.parameters()
        self._flags = triton_request.flags()
        self._caller = triton_request if caller is None else caller
        self._asking, self._is_answered = threading.Lock(), False

    @cached_property
    def parameters(self) -> dict[str, str | int | float | bool]:
        """The request parameters that the caller sent."""
        return dict(json.loads(self._parameters)) if self._parameters else {}

    @property
    def starts_sequence(self) -> bool:
        """Whether it is the first of its sequence."""
        return bool(self._flags & _SEQUENCE_START)

    @property
    def ends_sequence(self) -> bool:
        """Whether it is the last of its sequence."""
        return bool(self._flags & _SEQUENCE_END)

    def is_cancelled(self) -> bool:
        """True when the caller no longer waits. Asks the server: 0.04 to 0.12 ms, so not in a tight loop."""
        with self._asking:
            return not self._is_answered and bool(self._caller.is_cancelled())

    def is_being_answered(self) -> None:
        """Ask the server nothing more about it: its last answer is about to be sent.

        Triton 2.51 frees a request's response factory with the last answer; whoever asks after that, from
        another thread, ends the whole server (seen: SIGSEGV in TRITONBACKEND_ResponseFactoryIsCancelled).
        """
        with self._asking:
            self._is_answered = True

    def keep(self) -> None:
        """Copy the arrays out of Triton's memory, so that they outlive it (text is copied anyway)."""
        for name, array in self.items():
            if array.dtype != object:
                self[name] = array.copy()

    def is_same_as(self, other: Request) -> bool:
        """Whether both carry the same inputs, parameters and id, to the last bit."""
        return (
            self.id == other.id
            and self._parameters == other._parameters
            and self.keys() == other.keys()
            and all(_same(array, other[name]) for name, array in self.items())
        )

    @property
    def payload_bytes(self) -> int:
        """How much the inputs hold."""
        return sum(
            array.nbytes if array.dtype != object else sum(map(len, array.reshape(-1)))
            for array in self.values()
        )

    @property
    def batch_size(self) -> int | None:
        """Rows in this request, for a model that batches; None when it carries no input."""
        for array in self.values():
            return int(array.shape[0])
        return None


def _same(one: Array, other: Array) -> bool:
    """Bit for bit: NaN is like NaN, 0.0 is not like -0.0."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return bool(np.array_equal(_bytes(one), _bytes(other)))


def _bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
