"""What the command line asks of an explanation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from tritonzoo.bench.options import BenchOptions
from tritonzoo.bench.picture import check_writable
from tritonzoo.bench.target import target
from tritonzoo.errors import BenchError
from tritonzoo.explain.plot import plot
from tritonzoo.explain.run import explain
from tritonzoo.explain.table import print_explanation
from tritonzoo.progress import console as notices
from tritonzoo.progress import steps


def run_explain(
    pipeline: str,
    options: BenchOptions,
    *,
    url: str = "",
    profile: str = "cpu-fp32",
    inputs: Path | None = None,
    as_json: bool = False,
    picture: Path | None = None,
) -> None:
    """Watch, and print what was seen."""
    if picture is not None and url:
        raise BenchError("a picture needs a server that writes traces; leave --url out, or --plot")
    check_writable(picture, "--plot")
    with (
        tempfile.TemporaryDirectory(prefix="tritonzoo-trace-") as folder,
        target(pipeline, url, options.protocol, profile, trace_file=Path(folder) / "trace") as server,
        steps(pipeline) as on_step,
    ):
        found = explain(server, pipeline, options, inputs, on_step)
    if as_json:
        print(found.to_json())  # noqa: T201  what was asked for
    else:
        print_explanation(found, Console())
    if picture is not None and found.trace is not None:
        plot(found.trace, f"one request to {pipeline}, {options.loads[0]}", picture)
        notices.print(f"drawn {picture}", soft_wrap=True)
