"""`tritonzoo bench`: serve if need be, load, measure."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tritonzoo.bench.calls import caller
from tritonzoo.bench.environment import environment
from tritonzoo.bench.figures import Figures
from tritonzoo.bench.inputs import Input, inputs_of, with_seconds
from tritonzoo.bench.measure import Measurement
from tritonzoo.bench.options import BenchOptions
from tritonzoo.bench.target import Target
from tritonzoo.client.description import Pipeline
from tritonzoo.client.triton import TritonTransport
from tritonzoo.errors import BenchError

OnStep = Callable[[str], None]


def bench(
    target: Target,
    pipeline: str,
    options: BenchOptions,
    source: Path | None,
    labels: Path | None,
    on_step: OnStep,
) -> Figures:
    """Put each load on the pipeline and measure; see `docs/benchmarking.md` for what each figure means.

    Raises BenchError where it cannot be done as asked, CallError where no server answers.
    """
    return asyncio.run(_bench(target, pipeline, options, source, labels, on_step))


async def _bench(
    target: Target,
    pipeline: str,
    options: BenchOptions,
    source: Path | None,
    labels: Path | None,
    on_step: OnStep,
) -> Figures:
    transport = TritonTransport(target.endpoint, timeout_s=options.timeout_s)
    sender = caller(target.endpoint, options.timeout_s)
    try:
        configs = await configs_of(transport, pipeline)
        described = Pipeline.from_config(configs[pipeline])
        if configs[pipeline].get("model_transaction_policy", {}).get("decoupled"):
            raise BenchError(f"{pipeline} answers in a stream; bench asks pipelines that answer once")
        tree = target.tree.root if target.tree is not None else None
        around = environment(await transport.version(), target.profile, configs, tree)
        inputs = with_seconds(inputs_of(described, source, labels))
        measurement = Measurement(target, transport, sender, described, inputs, options)
        on_step(f"sending each of {len(inputs)} inputs once")
        await measurement.try_each()
        points = []
        for load in options.loads:
            on_step(f"{load}, {options.repeats} x {options.seconds:g} s after {options.warmup_s:g} s")
            is_own = options.generator == "own"
            points.append(await (measurement.under if is_own else measurement.by_perf_analyzer)(load))
    finally:
        await sender.close()
        await transport.close()
    return Figures(
        pipeline=pipeline,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        options={**asdict(options), "protocol": target.endpoint.protocol},
        inputs=_described(inputs, source),
        environment=asdict(around),
        points=points,
        batching=[name for name, config in configs.items() if batches(config)],
    )


async def configs_of(transport: TritonTransport, pipeline: str) -> dict[str, dict[str, Any]]:
    """The configuration of a pipeline and of every model behind it, the pipeline first."""
    found: dict[str, dict[str, Any]] = {}
    wanted = [pipeline]
    for name in wanted:
        if name not in found:
            found[name] = await transport.config(name)
            wanted += members_of(found[name])
    return found


def members_of(config: dict[str, Any]) -> list[str]:
    """The models that one calls: an ensemble's steps, or what a Python model's parameter `calls` names."""
    steps = [str(step["model_name"]) for step in config.get("ensemble_scheduling", {}).get("step", ())]
    calls = str(config.get("parameters", {}).get("calls", {}).get("string_value", ""))
    return list(dict.fromkeys([*steps, *(name.strip() for name in calls.split(",") if name.strip())]))


def batches(config: dict[str, Any]) -> bool:
    """Whether the size of its batches says something: not an ensemble's, nor where requests go one by one."""
    return int(config.get("max_batch_size", 0)) > 1 and config.get("platform") != "ensemble"


def counts_rounds(config: dict[str, Any]) -> bool:
    """Whether Triton's counts of requests and durations are of rounds, and so mean nothing."""
    return bool(config.get("sequence_batching", {}).get("iterative_sequence"))


def _described(inputs: Sequence[Input], source: Path | None) -> dict[str, Any]:
    texts = [len(one.text.split()) for one in inputs if one.text is not None]
    audio_s = [one.audio_s for one in inputs if one.audio_s is not None]
    told: dict[str, Any] = {
        "from": str(source) if source is not None else "data_samples",
        "count": len(inputs),
        "labelled": sum(one.label is not None for one in inputs),
    }
    if texts:
        told["words"] = {"least": min(texts), "median": statistics.median(texts), "most": max(texts)}
    if audio_s:
        told["audio_s"] = {
            "least": min(audio_s), "median": statistics.median(audio_s), "most": max(audio_s),
        }  # fmt: skip
    return told
