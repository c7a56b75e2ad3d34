"""What `tritonzoo serve` prints when ready: each pipeline with a line to call it that works as it is."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.text import Text

from tritonzoo.progress import console
from tritonzoo.repository import Model, Repository
from tritonzoo.samples import Sample, samples


def announce(repository: Repository, pipelines: Iterable[Model], http_url: str, grpc_url: str) -> None:
    """Print a `curl` and a Python line for each pipeline that has a sample."""
    for pipeline in pipelines:
        given = samples(repository, pipeline)
        if not given:
            continue
        shown = min(given, key=lambda sample: len(str(sample)))
        console.print(f"\n[bold]{pipeline.name}[/]  {pipeline.title}", soft_wrap=True)
        console.print(Text("  " + curl_line(pipeline, shown, http_url)), soft_wrap=True)
        console.print(Text("  " + python_line(pipeline, shown, grpc_url)), soft_wrap=True)


def curl_line(pipeline: Model, sample: Sample, http_url: str) -> str:
    """A shell command that calls Triton's generate endpoint.

    `--json` matters: the content type that `-d` alone would send crashes Triton 24.10 on bodies of some MB.
    """
    url = f"{http_url}/v2/models/{pipeline.name}/generate"
    if sample.path is None:
        body = json.dumps({sample.tensor: sample.text}, ensure_ascii=False)
        return f"curl --json {shlex.quote(body)} {url}"
    file = shlex.quote(_shown(sample.path))
    return f"""printf '{{"{sample.tensor}": "%s"}}' "$(base64 -w0 {file})" | curl --json @- {url}"""


def python_line(pipeline: Model, sample: Sample, grpc_url: str) -> str:
    """A shell command that calls it with the Python client."""
    value = (
        _quoted(sample.text) if sample.path is None else f'open({_quoted(_shown(sample.path))}, "rb").read()'
    )
    call = f'Client("{grpc_url}").infer("{pipeline.name}", {{"{sample.tensor}": {value}}})'
    return f"{_shown(Path(sys.executable))} -c {shlex.quote(f'from tritonzoo import Client; print({call})')}"


def _quoted(text: str) -> str:
    """A Python string in double quotes, which need no escape between a shell's single ones."""
    return json.dumps(text, ensure_ascii=False)


def _shown(path: Path) -> str:
    """A path as a person in the current folder would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
