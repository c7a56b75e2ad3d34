"""How a pipeline is called, with an input of data_samples/: lines that work from the root of the tree."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace

from tritonzoo.announce import curl_line
from tritonzoo.repository import Model, Repository
from tritonzoo.samples import Sample, samples

HTTP, GRPC = "localhost:8000", "localhost:8001"


def example(repository: Repository, pipeline: Model) -> Sample | None:
    """The sample that is shortest to write, its path as from the root; None where there is none."""
    given = samples(repository, pipeline)
    if not given:
        return None
    shortest = min(given, key=lambda sample: len(str(sample)))
    path = shortest.path and shortest.path.relative_to(repository.root)
    return replace(shortest, path=path)


def shell(repository: Repository, pipeline: Model) -> str:
    """The first block of `sh` in its README, or where it answers once, curl and `tritonzoo infer`."""
    if own := _block(pipeline, "sh"):
        return own
    sample = example(repository, pipeline)
    if sample is None or not pipeline.answers_once:
        return ""
    argument = shlex.quote(str(sample.path or sample.text))
    return f"{curl_line(pipeline, sample, HTTP)}\ntritonzoo infer {pipeline.name} {argument}"


def python(repository: Repository, pipeline: Model) -> str:
    """The first block of `python` in its README, or else `generic_python`."""
    return _block(pipeline, "python") or generic_python(repository, pipeline)


def generic_python(repository: Repository, pipeline: Model) -> str:
    """A call that any pipeline answers that answers once; empty for others, and where there is no sample."""
    sample = example(repository, pipeline)
    if sample is None or not pipeline.answers_once:
        return ""
    value = (
        json.dumps(sample.text, ensure_ascii=False)
        if sample.path is None
        else f'Path("{sample.path.as_posix()}").read_bytes()'
    )
    imports = ["from tritonzoo import Client"]
    if sample.path is not None:
        imports = ["from pathlib import Path", "", *imports]
    call = f'    answer = client.infer("{pipeline.name}", {{"{sample.tensor}": {value}}})'
    printed = f'print(answer["{pipeline.config.output[0].name}"])'
    return "\n".join([*imports, "", f'with Client("{GRPC}") as client:', call, printed])


def _block(pipeline: Model, language: str) -> str:
    readme = pipeline.folder / "README.md"
    text = readme.read_text("utf-8") if readme.is_file() else ""
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return found[1].strip() if found else ""
