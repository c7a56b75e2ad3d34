"""Rows a second of several artifacts of one model, side by side in one run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo.convert.parity import extents_of
from tritonzoo.ledger import Speed

if TYPE_CHECKING:
    import numpy.typing as npt

ROUNDS = 9
ROUND_S = 0.2  # for each artifact in each round


def measure_speed(
    artifacts: Mapping[str, Path], samples: Sequence[Mapping[str, npt.NDArray[Any]]], outputs: Sequence[str]
) -> dict[str, Speed]:
    """Each artifact's speed in ONNX Runtime on all cores, the artifacts in turn: the best of the rounds.

    What else runs on a machine can only slow a round down, so the best is what the artifact can do, and
    repeats where a median does not.
    The sample with the most rows is run: batches are what a server runs under load.
    """
    import onnxruntime

    sample = max(samples, key=lambda tensors: len(next(iter(tensors.values()))))
    rows, threads = len(next(iter(sample.values()))), len(os.sched_getaffinity(0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # as it is served
    sessions = {
        name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for name, path in artifacts.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in artifacts}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            start_s, runs, elapsed_s = time.perf_counter(), 0, 0.0
            while elapsed_s < ROUND_S:
                session.run(list(outputs), dict(sample))
                runs += 1
                elapsed_s = time.perf_counter() - start_s
            rates[name].append(rows * runs / elapsed_s)
    return {
        name: Speed(round(max(rate), 1), extents_of(sample), processor(), threads)
        for name, rate in rates.items()
    }


def processor() -> str:
    """The processor's name and what makes int8 fast on it: "AMD EPYC, avx512_vnni"."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", "")).split()
    fast = [flag for flag in ("amx_int8", "avx512_vnni", "avx_vnni", "asimddp") if flag in flags]
    return ", ".join([fields.get("model name", os.uname().machine), *fast])
