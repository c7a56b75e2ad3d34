"""`tritonzoo explain`: load, look at the steps, trace, do the same work alone."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tritonzoo.bench.calls import caller
from tritonzoo.bench.environment import Environment, environment
from tritonzoo.bench.figures import Window, plain
from tritonzoo.bench.generator import Generator
from tritonzoo.bench.inputs import Input, inputs_of
from tritonzoo.bench.measure import Measurement
from tritonzoo.bench.options import BenchOptions
from tritonzoo.bench.run import configs_of
from tritonzoo.bench.target import Target
from tritonzoo.client.description import Pipeline
from tritonzoo.client.tensors import as_arrays
from tritonzoo.client.triton import TritonTransport
from tritonzoo.errors import BenchError
from tritonzoo.explain.alone import alone, why_not
from tritonzoo.explain.observation import Observation, observation
from tritonzoo.explain.rules import Advice, advise
from tritonzoo.explain.trace import Trace, middle, traces, tracing

TRACED_S = 1.0  # under the same load, after what is measured: tracing costs

OnStep = Callable[[str], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Explanation:
    """All that there is to say."""

    seen: Observation
    window: Window
    advice: list[Advice]
    trace: Trace | None
    not_alone: str  # why the same work was not done in one process; empty where it was
    environment: Environment

    def to_json(self) -> str:
        """All of it; a figure that is not there is null."""
        return json.dumps(plain(asdict(self)), indent=1, allow_nan=False)


def explain(
    target: Target, pipeline: str, options: BenchOptions, source: Path | None, on_step: OnStep
) -> Explanation:
    """Watch a pipeline under the first of the loads.

    Raises BenchError where it cannot be done as asked, CallError where no server answers.
    """
    return asyncio.run(_explain(target, pipeline, options, source, on_step))


async def _explain(
    target: Target, pipeline: str, options: BenchOptions, source: Path | None, on_step: OnStep
) -> Explanation:
    (load,) = options.loads
    transport = TritonTransport(target.endpoint, timeout_s=options.timeout_s)
    sender = caller(target.endpoint, options.timeout_s)
    try:
        configs = await configs_of(transport, pipeline)
        described = Pipeline.from_config(configs[pipeline])
        if configs[pipeline].get("model_transaction_policy", {}).get("decoupled"):
            raise BenchError(f"{pipeline} answers in a stream; explain looks at pipelines that answer once")
        around = environment(
            await transport.version(), target.profile, configs, target.tree.root if target.tree else None
        )
        inputs = inputs_of(described, source, None)
        measurement = Measurement(target, transport, sender, described, inputs, options)
        on_step(f"sending each of {len(inputs)} inputs once")
        await measurement.try_each()
        on_step(f"{load}, {options.seconds:g} s after {options.warmup_s:g} s")
        point = await measurement.under(load)
        if not point.windows[0].answered:
            why = f": {point.first_error}" if point.first_error else " within the time; give more --seconds"
            raise BenchError(f"{pipeline} answered nothing{why}")
        trace = None
        if target.trace_file is not None:
            on_step("tracing")
            generator = Generator(sender, measurement.requests, [False] * len(inputs), options.seed)
            with tracing(target.endpoint.address, target.admin_key):
                running = asyncio.create_task(generator.run(load, options.arrivals))
                await asyncio.wait([running], timeout=TRACED_S)
                generator.stop()
                await running
            trace = middle(traces(target.trace_file, pipeline))
    finally:
        await sender.close()
        await transport.close()
    on_step("the same work in one process")
    took_ms, not_alone = _alone(target, pipeline, configs, described, inputs, options.seconds)
    (window,) = point.windows
    seen = observation(pipeline, int(load.value), window, configs, around.precisions, took_ms, around.cores)
    return Explanation(seen, window, advise(seen), trace, not_alone, around)


def _alone(
    target: Target,
    pipeline: str,
    configs: Mapping[str, Mapping[str, Any]],
    described: Pipeline,
    inputs: list[Input],
    seconds: float,
) -> tuple[dict[str, float] | None, str]:
    """Milliseconds by member, or why there are none."""
    if target.tree is None:
        return None, "the server's tree is not on this machine"
    reason = why_not(pipeline, configs)
    if reason:
        return None, reason
    requests = [as_arrays(described, one.values) for one in inputs]
    try:
        return alone(target.tree, target.profile, pipeline, configs, requests, min(seconds, 5.0)), ""
    except ImportError as error:
        return None, f"{error.name} is not installed; pip install 'tritonzoo[serve]'"
