"""One request through the steps, from Triton's trace API.

A trace is a list of moments, each with the id of the request and, for a step of an ensemble, of the request
that it belongs to. Calls that a Python model makes are not traced in Triton 24.10.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tritonzoo.embedded.command import GRPC_ADMIN_HEADER
from tritonzoo.errors import BenchError

ON = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "-1"}
OFF = {"trace_level": ["OFF"]}
# What lies between two moments that follow each other, in each round of a model.
KINDS = {
    "QUEUE_START": "queue",
    "COMPUTE_START": "copy",
    "COMPUTE_INPUT_END": "compute",
    "COMPUTE_OUTPUT_START": "copy",
}
ROUND_ENDS = "COMPUTE_END"
NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Span:
    """What one model was doing; times count from the moment at which the server had the request."""

    model: str
    kind: str  # queue, copy or compute
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Trace:
    """One request of a pipeline, its spans in the order of time."""

    total_ms: float  # until the answer was there
    spans: Sequence[Span]


@contextmanager
def tracing(address: str, admin_key: str) -> Iterator[None]:
    """Trace every request of a server for as long as the block lasts."""
    client = InferenceServerClient(address)
    headers = {GRPC_ADMIN_HEADER: admin_key}
    try:
        client.update_trace_settings(settings=ON, headers=headers)
        try:
            yield
        finally:
            client.update_trace_settings(settings=OFF, headers=headers)
    except InferenceServerException as error:
        raise BenchError(f"{address} refuses to trace: {error.message()}") from error
    finally:
        client.close()


def traces(file: Path, pipeline: str) -> list[Trace]:
    """The whole requests to `pipeline` in the files that Triton wrote for the trace file `file`."""
    written = sorted(file.parent.glob(f"{file.name}.*"))
    return list(read([entry for path in written for entry in json.loads(path.read_text())], pipeline))


def read(entries: Sequence[Mapping[str, Any]], pipeline: str) -> Iterator[Trace]:
    """The traces in Triton's own entries, in any order; requests to other models are left out."""
    models: dict[int, str] = {}
    parents: dict[int, int] = {}
    moments: dict[int, list[tuple[int, str]]] = {}
    for entry in entries:
        if "model_name" in entry:
            models[entry["id"]] = entry["model_name"]
            if "parent_id" in entry:
                parents[entry["id"]] = entry["parent_id"]
        for moment in entry.get("timestamps", ()):
            moments.setdefault(entry["id"], []).append((moment["ns"], moment["name"]))
    for request, name in models.items():
        own = _in_order(moments, request)
        times = {what: ns for ns, what in own}
        if name != pipeline or request in parents or not {"REQUEST_START", "REQUEST_END"} <= times.keys():
            continue
        start_ns = times["REQUEST_START"]
        end_ns = times.get("INFER_RESPONSE_COMPLETE", times["REQUEST_END"])
        spans = [
            span
            for traced, parent in ((request, request), *parents.items())
            if parent == request
            for span in _spans(models[traced], _in_order(moments, traced), start_ns)
        ]
        in_order = sorted(spans, key=lambda span: (span.start_ms, span.end_ms))
        yield Trace((end_ns - start_ns) / NS_PER_MS, in_order)


def middle(found: Sequence[Trace]) -> Trace | None:
    """The one that took the median time; None of none."""
    return sorted(found, key=lambda trace: trace.total_ms)[len(found) // 2] if found else None


def _in_order(moments: Mapping[int, Sequence[tuple[int, str]]], request: int) -> list[tuple[int, str]]:
    """Those of one request by time; what happened at once stays as Triton wrote it."""
    return sorted(moments.get(request, ()), key=lambda moment: moment[0])


def _spans(model: str, moments: Sequence[tuple[int, str]], start_ns: int) -> Iterator[Span]:
    """Of one model's moments, in order of time; an ensemble itself neither queues nor computes."""
    of_rounds = [(ns, name) for ns, name in moments if name in KINDS or name == ROUND_ENDS]
    for (begin, name), (end, following) in itertools.pairwise(of_rounds):
        if name != ROUND_ENDS and not (name == "QUEUE_START" and following != "COMPUTE_START"):
            yield Span(model, KINDS[name], (begin - start_ns) / NS_PER_MS, (end - start_ns) / NS_PER_MS)
