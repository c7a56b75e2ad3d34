"""Answers that are sent when they are ready, after `execute` has returned: through Triton's response sender.

The requests that a process has at work when it dies get no answer from Triton 2.51, not even an error.
`ConcurrentModel.call` sees that and tells its caller; a caller outside waits for its own time limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from tritonzoo.runtime.reply import Desk
from tritonzoo.runtime.request import Request

# A last answer that meets its caller's leaving on the way ends the whole of Triton 2.51: "double free" or
# SIGSEGV in its gRPC handler, in 3 of 4 runs of a hundred streams that were left. So it waits a little.
LEAVING_S = 0.3


class LateAnswers:
    """In order of completion, each by itself."""

    def __init__(self, desk: Desk, at_once: int) -> None:
        """No more than `at_once` requests are at work; those beyond wait in Triton's queue."""
        self._desk = desk
        self._free = threading.Semaphore(at_once)

    def execute(self, triton_requests: Sequence[Any]) -> None:
        """Begin each; the answers come later."""
        for triton_request in triton_requests:
            self._free.acquire()
            sender = triton_request.get_response_sender()
            reply = _LateReply(self._desk, sender, self._free)
            try:
                request = reply.request = Request(triton_request, sender)
            except Exception as error:  # noqa: BLE001  text that is none: this request's error alone
                reply.end(self._desk.refusal(error))
            else:
                self._desk.begin(request, reply)

    def finalize(self) -> None:
        """What is at work is still answered."""


class _LateReply:
    request: Request | None = None

    def __init__(self, desk: Desk, sender: Any, free: threading.Semaphore) -> None:
        self._desk, self._sender, self._free = desk, sender, free

    def send(self, response: Any) -> None:
        self._sender.send(response)

    def end(self, response: Any = None, *, caller_left: bool = False) -> None:
        if caller_left:
            time.sleep(LEAVING_S)
        if self.request is not None:
            self.request.is_being_answered()
        final = self._desk.pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        try:
            if response is None:
                self._sender.send(flags=final)
            else:
                self._sender.send(response, flags=final)
        finally:
            self._free.release()
