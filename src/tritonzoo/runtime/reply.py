"""What stands between the thread that works on a request and the caller who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tritonzoo.runtime.request import Request


class Reply(Protocol):
    """The way back to one caller; used by one thread."""

    def send(self, response: Any) -> None:
        """Pass on one of several responses of a decoupled model."""

    def end(self, response: Any = None, *, caller_left: bool = False) -> None:
        """Pass on the last response, or say that none follows."""


@dataclass(frozen=True)
class Desk:
    """What a way of answering needs to know of the model."""

    pb: Any  # triton_python_backend_utils
    begin: Callable[[Request, Reply], None]  # gives the request a thread
    refusal: Callable[[BaseException], Any]  # the response that tells of an error
    is_decoupled: bool
