"""Requests that nobody means well: what is sent over HTTP, and what the edge should say to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

SENTIMENT = "/v2/models/ensemble_sentiment"
JSON = {"Content-Type": "application/json"}
GOOD = b'{"text": "well done"}'
HUGE = 2**40


@dataclass(frozen=True)
class Hostile:
    """One request, and the status and words that answer it (a status of several: any of them)."""

    what: str
    status: tuple[int, ...]
    says: str
    path: str = f"{SENTIMENT}/infer"
    body: bytes | Callable[[], bytes] = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    method: str = "POST"

    def __str__(self) -> str:
        return self.what

    def send(self, port: int, host: str = "127.0.0.1", timeout_s: float = 30) -> tuple[int, str]:
        """(status, text) of the answer; status 0 where the connection was cut without one."""
        body = self.body() if callable(self.body) else self.body
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before its end
                connection.request(self.method, self.path, body or None, self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()


def infer(shape: object, data: object = ("a",), datatype: str = "BYTES", key: str = '"shape"') -> bytes:
    """A body of the infer endpoint for the input `text`, its shape as given."""
    parts = [
        f'"name": "text", {key}: {json.dumps(shape)}, "datatype": "{datatype}", "data": {json.dumps(data)}'
    ]
    return ('{"inputs": [{' + parts[0] + "}]}").encode()


def raw(
    port: int, request: bytes, host: str = "127.0.0.1", timeout_s: float = 30, *, closes: bool = True
) -> str:
    """What comes back for bytes sent as they are, by a client that then closes its sending side, or does not.

    Who closes it in the middle of a request has left, and may get no answer.
    """
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        with contextlib.suppress(OSError):  # refused before its end
            connection.sendall(request)
            if closes:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                answer += piece
                if not closes:
                    break
    return answer.decode("latin-1")


def chunked(chunks: int, path: str = f"{SENTIMENT}/infer", end: bytes = b"0\r\n\r\n") -> bytes:
    """A request in so many chunks of one byte."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"1\r\n[\r\n" * chunks + end


NEVER_ENDS = chunked(3, end=b"")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OCTETS = {"Content-Type": "application/octet-stream"}

HOSTILE = [
    # -- what ends Triton (facts measured on 2.51) --
    Hostile("a form of 4 MB", (415,), "Content-Type", body=lambda: b"x" * 4_000_000, headers=FORM),
    Hostile("a form of 4 MB, somewhere", (404,), "no such path", path="/nowhere", body=lambda: b"x" * 4_000_000, headers=FORM),
    Hostile("a form of 60 MB", (415,), "Content-Type", body=lambda: b"x" * 60_000_000, headers=FORM),
    Hostile("a form in capitals", (415,), "Content-Type", body=lambda: b"x" * 4_000_000, headers={"Content-Type": "Application/X-WWW-Form-Urlencoded"}),
    Hostile("a shape of 2**40", (400,), "promises more elements", body=infer([1, HUGE])),
    Hostile("a shape whose product is 2**62", (400,), "promises more elements", body=infer([4, 2**60], [])),
    Hostile("a shape that overflows 64 bits", (400,), "promises more elements", body=infer([8, 2**61], [])),
    Hostile("a shape with no elements and a huge extent", (400,), "promises more elements", body=infer([0, 2**62], [])),
    Hostile("a shape with a number of 400 digits", (400,), "more digits", body=infer([1, 10**400])),
    Hostile("a negative shape", (400,), "whole numbers", body=infer([1, -1])),
    Hostile("a shape of fractions", (400,), "whole numbers", body=infer([1, 1.5])),
    Hostile("a shape in exponents", (400,), "whole numbers", body=infer([1, 1e30])),
    Hostile("a shape of lists", (400,), "whole numbers", body=infer([[1], [HUGE]])),
    Hostile("a shape of strings", (400,), "whole numbers", body=infer(["1", "1"])),
    Hostile("a shape under an escaped key", (400,), "escape", body=infer([1, HUGE], key='"\\u0073hape"')),
    Hostile("a second shape under the same key", (400,), "promises more elements", body=infer([1, 1], key=f'"shape": [1, {HUGE}], "shape"')),
    Hostile("a shape behind 20 MB of blanks", (400,), "promises more elements", body=lambda: b" " * 20_000_000 + infer([1, 2**41])),
    Hostile("a shape with blanks in it", (400,), "promises more elements", body=infer([1, HUGE]).replace(b"[1, ", b"[ 1 \n,\t")),
    Hostile("a shape behind the binary header", (400,), "promises more elements", body=infer([1, HUGE]) + b"\1\0\0\0a", headers={**OCTETS, "Inference-Header-Content-Length": str(len(infer([1, HUGE])))}),
    Hostile("a shape of a member that takes numbers", (400,), "promises more elements", path="/v2/models/sentence_transformer/infer", body=infer([1, HUGE], [1], "INT64").replace(b'"text"', b'"input_ids"')),
    Hostile("samples by a shape of 2**62", (400,), "promises more elements", path="/v2/models/ensemble_vad/infer", body=infer([2**62], [0.5], "FP32").replace(b'"text"', b'"waveform"')),
    Hostile("200 000 nested lists", (400,), "nested deeper", body=b"[" * 200_000),
    Hostile("20 million nested lists", (400,), "nested deeper", body=lambda: b"[" * 20_000_000),
    Hostile("nested samples", (400,), "nested deeper", path="/v2/models/transcription_stream/generate_stream", body=b'{"waveform":' + b"[" * 300_000),
    Hostile("nested objects", (400,), "nested deeper", body=b'{"a":' * 100_000),
    Hostile("nesting in generate", (400,), "nested deeper", path=f"{SENTIMENT}/generate", body=b'{"text":' + b"[" * 300_000),
    # -- bodies that are too large, or hidden --
    Hostile("a body of 80 MB", (413,), "larger than", body=lambda: b" " * 80_000_000),
    Hostile("a body of 2**62 bytes, announced", (413,), "larger than", headers={**JSON, "Content-Length": str(2**62)}),
    Hostile("a compressed body", (415,), "compressed", body=b"\x1f\x8b\x08", headers={**JSON, "Content-Encoding": "gzip"}),
    Hostile("XML", (415,), "Content-Type", body=b"<a/>", headers={"Content-Type": "text/xml"}),
    Hostile("a multipart form", (415,), "Content-Type", body=b"--x--", headers={"Content-Type": "multipart/form-data; boundary=x"}),
    Hostile("a header length that is no number", (400,), "one number", body=infer([1, 1]), headers={**OCTETS, "Inference-Header-Content-Length": "abc"}),
    Hostile("a negative header length", (400,), "one number", body=infer([1, 1]), headers={**OCTETS, "Inference-Header-Content-Length": "-1"}),
    Hostile("a header length beyond the body", (400,), "", body=infer([1, 1]), headers={**OCTETS, "Inference-Header-Content-Length": "999999"}),
    Hostile("a header of 100 kB", (400,), "", body=GOOD, headers={**JSON, "X-Long": "x" * 100_000}),
    Hostile("200 headers", (400,), "", body=GOOD, headers={**JSON, **{f"X-{number}": "1" for number in range(200)}}),
    # -- paths and methods that are not served --
    Hostile("loading a model", (404,), "no such path", path="/v2/repository/models/sentiment/load", body=b"{}"),
    Hostile("loading code", (404,), "no such path", path="/v2/repository/models/sentiment/load", body=b'{"parameters":{"config":"{}","file:1/model.py":"cHJpbnQoKQ=="}}'),
    Hostile("the model index", (404,), "no such path", path="/v2/repository/index", body=b"{}"),
    Hostile("shared memory", (404,), "no such path", path="/v2/systemsharedmemory/region/x/register", body=b"{}"),
    Hostile("log settings", (404,), "no such path", path="/v2/logging", body=b"{}"),
    Hostile("trace settings", (404,), "no such path", path="/v2/trace/setting", body=b"{}"),
    Hostile("an admin path in percent signs", (404,), "no such path", path="/v2/%72epository/index", body=b"{}"),
    Hostile("an admin path through dots", (404,), "no such path", path="/v2/models/../repository/index", body=b"{}"),
    Hostile("an admin path with two slashes", (404,), "no such path", path="//v2/repository/index", body=b"{}"),
    Hostile("the metrics", (404,), "no such path", path="/metrics", method="GET"),
    Hostile("a query", (400,), "query", path=f"{SENTIMENT}/generate?a=" + "b" * 1000, body=GOOD),
    Hostile("DELETE", (405,), "POST", path=f"{SENTIMENT}/infer", method="DELETE"),
    Hostile("TRACE", (405,), "GET", path="/v2", method="TRACE"),
    Hostile("POST to a reading path", (405,), "GET", path="/v2/health/ready", body=b"{}"),
    Hostile("a GET with a body", (400,), "no body", path="/v2", body=b"x" * 5_000_000, headers=FORM, method="GET"),
    # -- what Triton itself answers well --
    Hostile("an unknown model", (400, 404), "unknown model", path="/v2/models/nobody/infer", body=infer([1, 1])),
    Hostile("half a JSON", (400, 500), "", body=b'{"inputs": ['),
    Hostile("no JSON at all", (400, 500), "", body=b"\xff\xfe\x00"),
    Hostile("an id of 1 MB", (200, 400), "", body=b'{"id": "' + b"x" * 1_000_000 + b'", "inputs": []}'),
    Hostile("an empty body", (400, 411, 500), ""),
]  # fmt: skip

RAW = [
    ("600 000 chunks of a byte", chunked(600_000), "411", "Content-Length"),
    ("chunks that never end", NEVER_ENDS, "411", "Content-Length"),
    ("two lengths", b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", "400", "invalid request"),
    ("a length and chunks", b"POST /v2/models/x/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411", "Content-Length"),
    ("two types", f"POST {SENTIMENT}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Type: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n[]".encode(), "415", "Content-Type"),
    ("two header lengths", f"POST {SENTIMENT}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nInference-Header-Content-Length: 0\r\nInference-Header-Content-Length: 2\r\n\r\n[]".encode(), "400", "one number"),
    ("noise", bytes(range(256)) * 16, "400", "invalid request"),
    ("a space in the path", b"GET /v2/models/a b HTTP/1.1\r\nHost: x\r\n\r\n", "400", "invalid request"),
    ("no version", b"GET /v2\r\nHost: x\r\n\r\n", "400", "invalid request"),
]  # fmt: skip
