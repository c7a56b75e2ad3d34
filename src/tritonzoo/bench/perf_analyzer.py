"""The load made by perf_analyzer, where it is installed: another generator's word for the same figures.

It sends the same inputs in turn, but looks at no answer, so there is no accuracy. How to get it is told in
docs/benchmarking.md.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonzoo.bench.calls import raw
from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.client.description import Pipeline
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.transport import Array
from tritonzoo.errors import BenchError

PROGRAM = "perf_analyzer"
WINDOWS = 3  # that it measures one after the other; all of them make one repeat
NS_PER_S = 1e9


@dataclass(frozen=True)
class Run:
    """What one run saw."""

    seconds: float  # from the first request to the last answer
    latencies_s: Sequence[float]


def find() -> str:
    """The program; raises BenchError where it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise BenchError(
            f"{PROGRAM} is not on the PATH; docs/benchmarking.md says how to get it, or leave --generator out"
        )
    return program


def input_data(pipeline: Pipeline, requests: Sequence[Mapping[str, Array]]) -> str:
    """The inputs as its --input-data wants them: each tensor's bytes in base64.

    Raises BenchError for an input whose size varies, which cannot be written so.
    """
    for tensor in pipeline.inputs:
        if -1 in tensor.dims and any(tensor.name in request for request in requests):
            raise BenchError(
                f"{PROGRAM} takes no input of varying size such as {tensor}; leave --generator out"
            )
    return json.dumps(
        {
            "data": [
                {name: {"b64": base64.b64encode(raw(array)).decode()} for name, array in request.items()}
                for request in requests
            ]
        }
    )


def command(
    program: str,
    pipeline: str,
    endpoint: Endpoint,
    load: Load,
    options: BenchOptions,
    data: Path,
    export: Path,
) -> list[str]:
    """Its arguments for one repeat of one load."""
    if load.kind == "concurrency":
        of_load = [f"--concurrency-range={load.value:g}"]
    else:
        of_load = [f"--request-rate-range={load.value:g}", f"--request-distribution={options.arrivals}"]
    return [
        program,
        f"-m{pipeline}",
        f"-i{endpoint.protocol}",
        f"-u{endpoint.address}",
        f"--input-data={data}",
        *of_load,
        f"--measurement-interval={max(1, round(1000 * options.seconds / WINDOWS))}",
        f"--max-trials={WINDOWS}",
        "--stability-percentage=999",  # it shall measure for as long as it is told, not until it likes it
        f"--profile-export-file={export}",
    ]


async def run(
    program: str,
    pipeline: str,
    endpoint: Endpoint,
    load: Load,
    options: BenchOptions,
    data: str,
) -> Run:
    """One repeat; raises BenchError with its last words where it fails."""
    with tempfile.TemporaryDirectory(prefix="tritonzoo-perf-") as folder:
        inputs, export = Path(folder) / "inputs.json", Path(folder) / "export.json"
        inputs.write_text(data)
        process = await asyncio.create_subprocess_exec(
            *command(program, pipeline, endpoint, load, options, inputs, export),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode != 0 or not export.is_file():
            last = " ".join(said.decode("utf-8", "replace").split()[-40:])
            raise BenchError(f"{PROGRAM} ended with code {process.returncode}: {last}")
        return read(export.read_bytes())


def read(export: bytes) -> Run:
    """What is in the file of --profile-export-file: answers stand in it as raw bytes, so it is not UTF-8."""
    try:
        (experiment,) = json.loads(export.decode("latin-1"), strict=False)["experiments"]
        requests: list[Any] = [one for one in experiment["requests"] if one["response_timestamps"]]
        starts = [one["timestamp"] for one in requests]
        ends = [one["response_timestamps"][-1] for one in requests]
        seconds = (max(ends) - min(starts)) / NS_PER_S
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{PROGRAM}'s export cannot be read ({type(error).__name__}: {error})") from error
    return Run(seconds, [(end - start) / NS_PER_S for start, end in zip(starts, ends, strict=True)])
