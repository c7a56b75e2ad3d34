"""What is sent: the pipeline's samples, or a person's own folder or file, with labels where there are any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tritonzoo.client.description import Pipeline
from tritonzoo.errors import BenchError, RepositoryError
from tritonzoo.infer.arguments import TEXT_INPUT, main_input
from tritonzoo.repository import Repository
from tritonzoo.samples import LABELS, NO_SAMPLES

REQUESTS = ".jsonl"  # a request a line, its inputs by name


@dataclass(frozen=True)
class Input:
    """One request to make."""

    name: str  # the text itself, or the file's path below the folder: what a label is found by
    values: Mapping[str, Any]  # by input
    label: str | None = None
    audio_s: float | None = None  # seconds of sound in it

    @property
    def text(self) -> str | None:
        """The text, where it is one."""
        value = self.values.get(TEXT_INPUT)
        return value if isinstance(value, str) else None


def inputs_of(pipeline: Pipeline, source: Path | None, labels: Path | None) -> list[Input]:
    """Every input of a folder or file, in the order of names; without `source` the tree's samples.

    In a folder, and in all below it: for a pipeline that takes text each line of each .txt, else every file.
    A .jsonl holds whole requests, such as {"x": [1.5]}, for pipelines that take anything else. Labels are the
    tab-separated file `labels`, or labels.tsv in the folder or beside the file: a file's path or a text, and
    what the answer should be.

    Raises BenchError where nothing fits the pipeline, or a label belongs to no input.
    """
    source = source or _samples(pipeline)
    if not source.exists():
        raise BenchError(f"{source}: there is no such file or folder; give --inputs one that is there")
    found = list(_found(pipeline, source))
    if not found:
        raise BenchError(f"{source}: nothing in it fits {pipeline.name}, which takes {_wanted(pipeline)}")
    beside = (source if source.is_dir() else source.parent) / LABELS
    if labels is None:
        return _labelled(found, beside, all_known=False) if beside.is_file() else found
    return _labelled(found, labels, all_known=True)


def with_seconds(inputs: list[Input]) -> list[Input]:
    """The inputs with how long their sound is, where it is sound and this machine can decode it."""
    if not any("audio" in one.values for one in inputs):
        return inputs
    try:
        from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform
    except ImportError:  # of the extra `serve`; a client's machine may do without
        return inputs
    return [
        replace(one, audio_s=waveform(one.values["audio"]).size / SAMPLE_RATE_HZ)
        if "audio" in one.values
        else one
        for one in inputs
    ]


def _samples(pipeline: Pipeline) -> Path:
    try:
        root = Repository.find().root
    except RepositoryError as error:
        raise BenchError(f"{error}; or give --inputs a folder or a file") from None
    return root / "data_samples" / pipeline.name


def _wanted(pipeline: Pipeline) -> str:
    main = main_input(pipeline)
    if main is None:
        return f"{pipeline.takes}: give a {REQUESTS} with a request a line"
    return "text: a .txt, a text a line" if main.name == TEXT_INPUT else f"files for {main.name}"


def _found(pipeline: Pipeline, source: Path) -> Iterator[Input]:
    main = main_input(pipeline)
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    for path in files:
        name = path.relative_to(source).as_posix() if source.is_dir() else path.name
        if path.suffix == REQUESTS:
            yield from _requests(path)
        elif main is None or any(part.startswith(".") for part in Path(name).parts):
            continue
        elif main.name == TEXT_INPUT:
            if path.suffix == ".txt":
                for line in path.read_text("utf-8").splitlines():
                    if line.strip():
                        yield Input(line, {TEXT_INPUT: line})
        elif path.suffix not in (*NO_SAMPLES, ".txt"):
            yield Input(name, {main.name: path.read_bytes()})


def _requests(path: Path) -> Iterator[Input]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise BenchError(f"{path}:{number}: not JSON ({error}); write a request a line") from None
        if not isinstance(values, dict):
            raise BenchError(f'{path}:{number}: write a request as {{"input": value}}, not {line[:40]}')
        yield Input(f"{path.name}:{number}", values)


def _labelled(inputs: list[Input], path: Path, *, all_known: bool) -> list[Input]:
    labels: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; give --labels a tab-separated file") from None
    for number, line in enumerate(lines, 1):
        name, tab, label = line.partition("\t")
        if line.strip() and not tab:
            raise BenchError(f"{path}:{number}: no tab in it; write an input, a tab and its label")
        if tab:
            labels[name] = label.strip()
    unknown = sorted(labels.keys() - {one.name for one in inputs})
    if unknown and (all_known or len(unknown) == len(labels)):
        raise BenchError(
            f"{path}: no input is called {unknown[0]!r}; an input is called by its text, or by its path "
            f"below the folder, such as {inputs[0].name!r}"
        )
    return [replace(one, label=labels.get(one.name)) for one in inputs]
