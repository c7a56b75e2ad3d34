"""An ONNX Runtime session as the model configuration asks for it, on the machine that it finds.

Keys that Triton's native ONNX Runtime backend has mean the same here; its documentation is
github.com/triton-inference-server/onnxruntime_backend.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.onnx.mapped import FOLDER_ENTRY, graph_with_mapped_weights
from tritonzoo.runtime.parameters import Parameters

Provider = tuple[str, dict[str, str]]

CPU_PROVIDER, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# What ONNX Runtime would print of a failed run reaches the caller or the log as an exception anyway.
_FATAL_SEVERITY = 4

# `optimization { graph { level } }` in the native backend's meaning.
_GRAPH_LEVELS = {
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

# Provider options that the native backend also takes as plain parameters.
_CUDA_PARAMETERS = (
    "gpu_mem_limit",
    "arena_extend_strategy",
    "cudnn_conv_algo_search",
    "do_copy_in_default_stream",
)


def open_session(
    model_file: Path,
    config: Mapping[str, Any],
    parameters: Parameters,
    instance_kind: str,
    device_id: int,
    log: logging.Logger,
    threads: int = 0,
) -> onnxruntime.InferenceSession:
    """Load `model_file`, for so many threads to a run; 0: as many as the configuration says.

    Raises ConfigurationError when the file or an option does not work here.
    """
    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(_FATAL_SEVERITY)
    chosen = providers(config, parameters, instance_kind, device_id, log)
    options = session_options(config, parameters, threads)
    graph = graph_with_mapped_weights(model_file) if chosen == [(CPU_PROVIDER, {})] else None
    if graph is not None:
        options.add_session_config_entry(FOLDER_ENTRY, str(model_file.parent))
    try:
        session = onnxruntime.InferenceSession(graph or model_file, options, providers=chosen)
    except Exception as error:  # ONNX Runtime's exceptions share no base class but Exception
        raise ConfigurationError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load {model_file}: {error}"
        ) from error
    # Without this, a failing run would be tried again on the CPU, unnoticed and slowly.
    session.disable_fallback()
    if session.get_providers()[0] != chosen[0][0]:
        raise ConfigurationError(
            f"ONNX Runtime could not start {chosen[0][0]} and would run on {session.get_providers()[0]};"
            " check the CUDA and cuDNN libraries, or set parameter 'providers' to cpu"
        )
    return session


def session_options(
    config: Mapping[str, Any], parameters: Parameters, threads: int = 0
) -> onnxruntime.SessionOptions:
    """Threads, graph optimisation, memory and `session.*` entries."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_SEVERITY
    configured = parameters.get("intra_op_thread_count", 0)
    options.intra_op_num_threads = threads or configured or default_thread_count(config)
    options.inter_op_num_threads = parameters.get("inter_op_thread_count", 0)
    options.execution_mode = (
        onnxruntime.ExecutionMode.ORT_PARALLEL
        if parameters.get("execution_mode", 0)
        else onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    )
    options.enable_cpu_mem_arena = parameters.get("enable_mem_arena", True)
    # A memory pattern is kept for every shape that ever ran: with open lengths that is a slow leak.
    options.enable_mem_pattern = parameters.get("enable_mem_pattern", not parameters.get("padding", ""))
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    if level not in _GRAPH_LEVELS:
        raise ConfigurationError(
            f"optimization.graph.level is {level}; it must be one of {sorted(_GRAPH_LEVELS)}"
        )
    options.graph_optimization_level = _GRAPH_LEVELS[level]
    # Threads spin from node to node and stop with the run, so nobody loses a core after it. Embeddings on
    # 2 cores, sleeping threads and these: 92 and 115 answers/s for one client, 175 and 187 for 64.
    entries = {
        "session.intra_op.allow_spinning": "1",
        "session.force_spinning_stop": "1",
        "session.inter_op.allow_spinning": "0",
    }
    for key, value in {**entries, **parameters.with_prefix("session.")}.items():
        options.add_session_config_entry(key, value)
    return options


def default_thread_count(config: Mapping[str, Any]) -> int:
    """The cores that this process may use, shared among the model's instances."""
    instances = sum(int(group["count"]) for group in config.get("instance_group", [])) or 1
    return max(1, available_cores() // instances)


def available_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores by affinity and by the container's CPU quota, which ONNX Runtime does not look at."""
    cores = len(os.sched_getaffinity(0))
    quota_cores = _quota_cores(cgroup)
    return cores if quota_cores is None else max(1, min(cores, math.ceil(quota_cores)))


def _quota_cores(cgroup: Path) -> float | None:
    """The CPU quota of this container by cgroup v2 or v1, or None for none."""
    unified, quota_file = cgroup / "cpu.max", cgroup / "cpu" / "cpu.cfs_quota_us"
    if unified.is_file():
        quota, period = unified.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    if quota_file.is_file():
        quota_us = int(quota_file.read_text())
        period_us = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        return None if quota_us < 0 else quota_us / period_us
    return None


def providers(
    config: Mapping[str, Any], parameters: Parameters, instance_kind: str, device_id: int, log: logging.Logger
) -> list[Provider]:
    """Execution providers in order of preference: what 'providers' or the instance's kind says."""
    wanted = parameters.get("providers", "auto")
    if wanted not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(f"parameter 'providers' is '{wanted}'; it must be auto, cpu or cuda")
    cuda_options = {key: parameters.get(key, "") for key in _CUDA_PARAMETERS}
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    for accelerator in [
        *accelerators.get("gpu_execution_accelerator", []),
        *accelerators.get("cpu_execution_accelerator", []),
    ]:
        if accelerator["name"] == "cuda":
            cuda_options.update(accelerator.get("parameters", {}))
        else:
            log.warning("execution accelerator '%s' is left out; this backend has cuda", accelerator["name"])
    cpu: Provider = (CPU_PROVIDER, {})
    if wanted == "cpu" or (wanted == "auto" and instance_kind == "CPU"):
        return [cpu]
    if _CUDA not in onnxruntime.get_available_providers():
        raise ConfigurationError(
            f"a GPU is asked for, and onnxruntime {onnxruntime.__version__} here was built without CUDA;"
            " install onnxruntime-gpu in its place, or write instance_group [{ kind: KIND_CPU }]"
        )
    given = {key: value for key, value in cuda_options.items() if value}
    return [(_CUDA, {"device_id": str(device_id), **given}), cpu]
