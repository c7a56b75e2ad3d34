"""The tables of pipelines in README.md and docs/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tritonzoo.pages.markdown import code, table
from tritonzoo.pages.page import path_of
from tritonzoo.pages.tensors import grouped, inputs, outputs
from tritonzoo.pages.weights import in_short, link, told, weights
from tritonzoo.repository import Model, Repository


def overview(repository: Repository, page: Path) -> str:
    """What each pipeline takes and gives, and which weights it starts with."""
    header = ("pipeline", "what it does", "takes", "gives", "starter weights, and how good they are")
    return table(header, [_row(repository, pipeline, page) for pipeline in callable_models(repository)])


def index(repository: Repository, page: Path) -> str:
    """A link to each page."""
    rows = [
        (f"[{pipeline.name}]({link(path_of(repository, pipeline), page)})", pipeline.title)
        for pipeline in callable_models(repository)
    ]
    return table(("pipeline", "what it does"), rows)


def callable_models(repository: Repository) -> list[Model]:
    """Pipelines and streams by name."""
    return [model for model in repository.models.values() if model.is_pipeline]


def _row(repository: Repository, pipeline: Model, page: Path) -> tuple[str, ...]:
    return (
        f"[`{pipeline.name}`]({link(path_of(repository, pipeline), page)})",
        pipeline.title,
        "; ".join(f"{code(each.name)}: {each.meaning}" for each in inputs(pipeline)),
        ", ".join(map(code, grouped(each.name for each in outputs(pipeline)))),
        "; ".join(_weights(repository, pipeline, page)),
    )


def _weights(repository: Repository, pipeline: Model, page: Path) -> Iterator[str]:
    """What the READMEs say in short, or else what the recipes name."""
    short = in_short(repository, pipeline)
    for said in reversed(short):  # the model that gives the answer before those that prepare it
        yield f"[{said.weights}]({link(said.readme, page)}): {said.measured}"
    if not short:
        sources = [
            told(repository, source, page)
            for each in weights(repository, pipeline)
            if each.variant == "starter"
            for source in each.sources
        ]
        yield from dict.fromkeys(sources)
