"""The same work in one process: what the pipeline would take without a server.

The graphs are run by ONNX Runtime directly, with the session options that they are served with; every other
member is its own model.py, loaded into this process.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tritonzoo.bench.run import counts_rounds
from tritonzoo.client.transport import Array
from tritonzoo.repository import Model, Repository, onnx_name

Member = Callable[[Mapping[str, Array]], Mapping[str, Array]]

LEAST_RUNS = 20


def why_not(pipeline: str, configs: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a pipeline cannot be run so; empty where it can."""
    if configs[pipeline].get("platform") != "ensemble":
        return "it is a loop in Python, which calls its members through Triton"
    for name, config in configs.items():
        if name == pipeline:
            continue
        if config.get("platform") == "ensemble":
            return f"its member {name} is a pipeline itself"
        if counts_rounds(dict(config)) or "sequence_batching" in config:
            return f"its member {name} keeps requests from one call to the next"
        if config.get("model_transaction_policy", {}).get("decoupled"):
            return f"its member {name} answers in a stream"
        if "calls" in config.get("parameters", {}):
            return f"its member {name} calls others through Triton"
    return ""


def alone(
    tree: Repository,
    profile: str,
    pipeline: str,
    configs: Mapping[str, Mapping[str, Any]],
    requests: Sequence[Mapping[str, Array]],
    seconds: float,
) -> dict[str, float]:
    """Milliseconds of each member for one request, on average over all requests, one after another.

    The first pass over the requests is not counted. Raises ImportError where what serves a member is not
    installed here.
    """
    steps = configs[pipeline]["ensemble_scheduling"]["step"]
    took_s: dict[str, list[float]] = {step["model_name"]: [] for step in steps}
    with _members(tree, profile, configs, list(took_s)) as members:
        for request in requests:
            _run(steps, members, request, {name: [] for name in took_s})
        end_s, runs = time.perf_counter() + seconds, 0
        while time.perf_counter() < end_s or runs < max(LEAST_RUNS, len(requests)):
            _run(steps, members, requests[runs % len(requests)], took_s)
            runs += 1
    calls = {name: len(times) / runs for name, times in took_s.items()}
    return {name: 1000 * statistics.fmean(times) * calls[name] for name, times in took_s.items()}


def _run(
    steps: Sequence[Mapping[str, Any]],
    members: Mapping[str, Member],
    request: Mapping[str, Array],
    took_s: Mapping[str, list[float]],
) -> None:
    """One request; steps of a config stand in any order, so each runs as soon as its inputs are there."""
    tensors = dict(request)
    waiting = list(steps)
    while waiting:
        step = next(step for step in waiting if set(step["input_map"].values()) <= tensors.keys())
        waiting.remove(step)
        inputs = {name: tensors[tensor] for name, tensor in step["input_map"].items()}
        start_s = time.perf_counter()
        outputs = members[step["model_name"]](inputs)
        took_s[step["model_name"]].append(time.perf_counter() - start_s)
        tensors |= {tensor: outputs[name] for name, tensor in step["output_map"].items()}


@contextmanager
def _members(
    tree: Repository, profile: str, configs: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> Iterator[dict[str, Member]]:
    from tritonzoo.testing import load_model

    with ExitStack() as loaded:
        members: dict[str, Member] = {}
        for name in names:
            model = tree.model(name)
            if configs[name].get("backend") == "onnxruntime":
                members[name] = _graph(model, configs[name], profile)
            else:
                one = loaded.enter_context(
                    load_model(model.folder, backends=tree.root / "backends", profile=profile or None)
                )
                members[name] = lambda inputs, one=one: one.infer(**inputs)  # type: ignore[misc]  # binds it
        yield members


def _graph(model: Model, served: Mapping[str, Any], profile: str) -> Member:
    from tritonzoo.runtime.onnx.session import open_session
    from tritonzoo.runtime.parameters import Parameters
    from tritonzoo.testing.model_config import model_config

    config = model_config(model.folder, profile or None)
    file = model.version_folder / str(served.get("default_model_filename") or onnx_name("fp32"))
    session = open_session(file, config, Parameters(config), "CPU", 0, logging.getLogger(__name__))
    names = [tensor.name for tensor in session.get_outputs()]

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
