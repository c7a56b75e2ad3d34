"""Clients that call without pause and count what was not answered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

PIPELINE = "ensemble_sentiment"
TIMEOUT_S = 60.0


@dataclass
class Load:
    """What a set of clients has seen: when each answer came and how long it took, and each failure."""

    answers: dict[str, int] = field(default_factory=lambda: {"HTTP": 0, "gRPC": 0})
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def row(self, event: str) -> str:
        """A line of the table."""
        answered = sum(self.answers.values())
        return f"{event:<24} answered {answered:5}  failed {len(self.failures):3}  slowest {self.slowest_s:5.2f} s"

    def saw(self, protocol: str, began_s: float) -> None:
        self.answers[protocol] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)


@contextmanager
def load(http_port: int, grpc_port: int, clients: int = 2) -> Iterator[Load]:
    """So many clients over HTTP (a kept connection each) and as many over gRPC, until the block ends."""
    seen, done = Load(), threading.Event()

    def over_http() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=TIMEOUT_S)
        body, headers = json.dumps({"text": "well done"}), {"Content-Type": "application/json"}
        while not done.is_set():
            began_s = time.monotonic()
            try:
                connection.request("POST", f"/v2/models/{PIPELINE}/generate", body, headers)
                answer = connection.getresponse()
                said = answer.read()
                if answer.status == 200:
                    seen.saw("HTTP", began_s)
                else:
                    seen.failures.append(f"HTTP {answer.status} {said[:200]!r}")
            except (OSError, http.client.HTTPException) as error:
                seen.failures.append(f"HTTP {error!r}")
                connection.close()
        connection.close()

    def over_grpc() -> None:
        text = grpcclient.InferInput("text", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"well done"]], dtype=object))
        with grpcclient.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
            while not done.is_set():
                began_s = time.monotonic()
                try:
                    client.infer(PIPELINE, [text], client_timeout=TIMEOUT_S)
                    seen.saw("gRPC", began_s)
                except InferenceServerException as error:
                    seen.failures.append(f"gRPC {error}")

    threads = [threading.Thread(target=one) for one in (over_http, over_grpc) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()
