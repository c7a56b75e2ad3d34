"""`tritonzoo soak`: serve the whole tree, ask everything of it at once, watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from tritonzoo.bench.environment import environment
from tritonzoo.bench.run import configs_of
from tritonzoo.client.description import Pipeline
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.client.transport import Transport
from tritonzoo.client.triton import TritonTransport
from tritonzoo.embedded import EmbeddedTriton
from tritonzoo.errors import ServerError
from tritonzoo.repository import Model, Repository
from tritonzoo.soak.clients import Clients
from tritonzoo.soak.figures import PipelineFigures, SoakFigures, windows_ms
from tritonzoo.soak.judge import judge
from tritonzoo.soak.options import SoakOptions
from tritonzoo.soak.requests import Kind, Sources, pool
from tritonzoo.soak.watch import Watcher

LOOKS = 90  # in all; each takes tens of milliseconds of a core
LATENCY_PARTS = 30  # of the plot
TOLD_EVERY_S = 10.0

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Soaked:
    """What was found, and each pipeline's latency over the time, for the plot."""

    figures: SoakFigures
    latencies_ms: Mapping[str, list[float | None]]


def soak(triton: EmbeddedTriton, tree: Repository, options: SoakOptions, on_step: OnStep) -> Soaked:
    """Load a server that serves all of `tree`, and watch it.

    Raises CallError where a good request is not answered before it begins, ServerError where the server ends.
    """
    return asyncio.run(_soak(triton, tree, options, on_step))


async def _soak(triton: EmbeddedTriton, tree: Repository, options: SoakOptions, on_step: OnStep) -> Soaked:
    async with AsyncExitStack() as opened:
        transports: list[Transport] = []
        for url, protocol in ((triton.grpc_url, "grpc"), (triton.http_url, "http")):
            transport = TritonTransport(Endpoint.parse(url, protocol), timeout_s=options.timeout_s)
            opened.push_async_callback(transport.close)
            transports.append(transport)
        first = transports[0]
        assert isinstance(first, TritonTransport)
        called = {**tree.pipelines, **tree.streams}
        configs: dict[str, dict[str, Any]] = {}
        sources, loads = Sources.of(tree), {}
        for name, model in called.items():
            configs |= await configs_of(first, name)
            described = Pipeline.from_config(configs[name])
            requests = pool(described, sources, kind_of(model), options.seed)
            loads[name] = Clients(name, kind_of(model), requests, transports, options)
        around = environment(await first.version(), triton.options.profile, configs, tree.root)
        for name, clients in loads.items():
            on_step(f"each request to {name} once")
            await clients.learn()
        on_step("the largest of each from all clients at once")
        await asyncio.gather(*(clients.burst() for clients in loads.values()))
        seconds = 60 * options.minutes
        start_s = time.perf_counter()
        running = asyncio.gather(*(clients.run() for clients in loads.values()))
        with Watcher(triton, seconds / LOOKS) as watcher:
            while (gone_s := time.perf_counter() - start_s) < seconds and not running.done():
                errors = sum(clients.tally.counts["errors"] for clients in loads.values())
                answers = sum(len(clients.tally.answered) for clients in loads.values())
                on_step(
                    f"{gone_s / 60:.1f} of {options.minutes:g} minutes, {answers} answers, {errors} errors"
                )
                await asyncio.wait([running], timeout=min(TOLD_EVERY_S, seconds - gone_s))
                if triton.wait(0):
                    raise ServerError(triton.why_ended())
        end_s = time.perf_counter()
        for clients in loads.values():
            clients.stop()
        await running
    tallies = {name: clients.tally for name, clients in loads.items()}
    span = (start_s, end_s)
    figures = SoakFigures(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        options=asdict(options),
        environment=str(around),
        seconds=end_s - start_s,
        pipelines={name: PipelineFigures.of(tally, span) for name, tally in tallies.items()},
        checks=judge(watcher.samples, tallies, triton.restarts, span),
        samples=[replace(one, at_s=one.at_s - start_s) for one in watcher.samples],
    )
    parts = {name: windows_ms(tally.answered, span, LATENCY_PARTS) for name, tally in tallies.items()}
    return Soaked(figures, parts)


def kind_of(model: Model) -> Kind:
    """How a pipeline answers."""
    if model.answers_once:
        return "once"
    return "streamed" if model.config.model_transaction_policy.decoupled else "live"
