"""What was seen of a pipeline under load: the time of each step, and of what lies between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tritonzoo.bench.figures import Window
from tritonzoo.bench.run import batches, counts_rounds, members_of
from tritonzoo.bench.triton_statistics import NS_PER_MS, Counts


@dataclass(frozen=True)
class Step:
    """One member, in milliseconds for each answer of the pipeline; a member called twice counts twice."""

    name: str
    calls: float  # for each answer
    queue_ms: float
    input_ms: float
    compute_ms: float
    output_ms: float
    total_ms: float  # from arrival to answer
    batch: float | None  # rows in a batch; None for a model that takes requests one by one
    max_batch_size: int = 0
    has_batcher: bool = False  # Triton gathers requests for it
    instances: int = 1
    precision: str = ""  # of its graph; empty for a model without
    padding: float | None = None  # computed on top of what was real
    alone_ms: float | None = None  # the same work in one process, without Triton
    is_timed: bool = True  # False: rounds of an iterative sequence, whose times mean nothing

    @property
    def copies_ms(self) -> float:
        return self.input_ms + self.output_ms


@dataclass(frozen=True)
class Observation:
    """One load on one pipeline."""

    pipeline: str
    clients: int
    answers: int
    mean_ms: float  # as a client sees it
    server_ms: float | None  # of that, in the server; None where Triton counts rounds
    steps: Sequence[Step]
    is_chain: bool  # an ensemble: steps one after the other, handed over by Triton
    cores: int
    server_cores: float | None = None  # that the server kept busy; None: not known
    other_cores: float | None = None  # and other programs
    alone_ms: float | None = None  # one request in one process

    @property
    def steps_ms(self) -> float:
        """The sum of the steps; more than the whole where they overlap."""
        return sum(step.total_ms for step in self.steps if step.is_timed)

    @property
    def between_ms(self) -> float:
        """What the whole takes beyond its steps; negative where steps overlap."""
        return (self.mean_ms if self.server_ms is None else self.server_ms) - self.steps_ms

    @property
    def outside_ms(self) -> float | None:
        """On the way, and in the client."""
        return None if self.server_ms is None else self.mean_ms - self.server_ms

    def share(self, ms: float) -> float:
        """Of a request as a client sees it."""
        return ms / self.mean_ms


def observation(
    pipeline: str,
    clients: int,
    window: Window,
    configs: Mapping[str, Mapping[str, Any]],
    precisions: Mapping[str, str],
    alone_ms: Mapping[str, float] | None,
    cores: int,
) -> Observation:
    """Put together what a window of load and the configurations say; `alone_ms` is by member."""
    own = window.steps.get(pipeline, Counts())
    is_rounds = counts_rounds(dict(configs[pipeline]))
    alone = alone_ms or {}
    used = window.cpu_s_per_request
    return Observation(
        pipeline=pipeline,
        clients=clients,
        answers=window.answered,
        mean_ms=window.latency.mean_ms,
        server_ms=None if is_rounds or not own.requests else own.total_ns / own.requests / NS_PER_MS,
        steps=[
            step_of(
                name,
                window.steps.get(name, Counts()),
                window.answered,
                configs[name],
                precision=precisions.get(name, ""),
                padding=window.padding.get(name),
                alone_ms=alone.get(name),
            )
            for name in members_of(dict(configs[pipeline]))
        ],
        is_chain=configs[pipeline].get("platform") == "ensemble",
        cores=cores,
        server_cores=None if used is None else used * window.answered / window.seconds,
        other_cores=window.other_cores,
        alone_ms=sum(alone.values()) if alone else None,
    )


def step_of(
    name: str,
    count: Counts,
    answers: int,
    config: Mapping[str, Any],
    *,
    precision: str = "",
    padding: float | None = None,
    alone_ms: float | None = None,
) -> Step:
    """One member from its counts and its configuration."""
    per_answer = 1 / max(answers, 1) / NS_PER_MS
    return Step(
        name=name,
        calls=count.requests / max(answers, 1),
        queue_ms=count.queue_ns * per_answer,
        input_ms=count.input_ns * per_answer,
        compute_ms=count.infer_ns * per_answer,
        output_ms=count.output_ns * per_answer,
        total_ms=count.total_ns * per_answer,
        batch=count.batch_size if batches(dict(config)) else None,
        max_batch_size=int(config.get("max_batch_size", 0)),
        has_batcher="dynamic_batching" in config,
        instances=sum(int(group.get("count", 1)) for group in config.get("instance_group", ())) or 1,
        precision=precision,
        padding=padding,
        alone_ms=alone_ms,
        is_timed=not counts_rounds(dict(config)),
    )
