"""One request as a Python model sees it."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from tritonzoo.runtime.tensors import Array


class Request(dict[str, Array]):
    """The inputs of one request by name, with what else the caller sent along.

    Numeric arrays are views of Triton's shared memory and are valid until the request is answered:
    copy what has to live longer. An optional input that the caller left out is not a key.
    """

    def __init__(self, triton_request: Any, sender: Any = None) -> None:
        """`triton_request` is an InferenceRequest of `triton_python_backend_utils`.

        `sender` is its response sender, where the request is answered after `execute` has returned: from
        then on only the sender knows whether the caller still waits.
        """
        super().__init__((tensor.name(), tensor.as_numpy()) for tensor in triton_request.inputs())
        self._triton_request = triton_request
        self._cancellable = triton_request if sender is None else sender

    @property
    def id(self) -> str:
        """The caller's request id; empty where there is none."""
        return str(self._triton_request.request_id())

    @cached_property
    def parameters(self) -> dict[str, str | int | float | bool]:
        """The request parameters that the caller sent."""
        text = self._triton_request.parameters()
        return dict(json.loads(text)) if text else {}

    def is_cancelled(self) -> bool:
        """True when the caller no longer waits. Asks the server: 0.04 to 0.12 ms, so not in a tight loop."""
        return bool(self._cancellable.is_cancelled())

    @property
    def batch_size(self) -> int | None:
        """Rows in this request, for a model that batches; None when it carries no input."""
        for array in self.values():
            return int(array.shape[0])
        return None
