"""ensemble_vad: the file of a recording to where in it somebody speaks, Silero VAD for everybody."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from bench.peers.adapters.behind_fastapi import behind_fastapi
from bench.peers.adapters.in_process import in_process
from bench.peers.adapters.model import Model
from bench.peers.adapters.triton import triton
from bench.peers.contender import Contender
from bench.peers.references import references
from bench.peers.sections.section import Group, Peer, Section
from bench.peers.setup import Setup

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.client.transport import Array
from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform
from tritonzoo.samples import NO_SAMPLES

PIPELINE = "ensemble_vad"
IN_PROCESS = Path(__file__).parents[1] / "served" / "in_process_vad.py"
FASTAPI_SETTINGS = ("--workers 2 --threads 1",)  # a network keeps its state and is one request's at a time
BYTES = {"Content-Type": "application/octet-stream"}
NETWORKS = {"onnx": "ONNX", "sequence": "ONNX, whole files"}
LIBRARIES = ("silero-vad", "onnxruntime", "torch")


def section(setup: Setup) -> Section:
    folder, files = _recordings(setup)
    wanted = [(one["start"], one["end"]) for one in references(setup, "vad", "jit", folder)]

    def same(index: int, start: Any, end: Any) -> float:
        return float((list(start), list(end)) == wanted[index])

    def compare_ours(index: int, answer: Mapping[str, Array]) -> float:
        edges = (
            np.rint(answer[name].reshape(-1) * SAMPLE_RATE_HZ).astype(int).tolist()
            for name in ("segment_start_s", "segment_end_s")
        )
        return same(index, *edges)

    def compare_served(index: int, reply: Reply) -> float:
        return compare_limit(index, json.loads(reply.body))

    def compare_limit(index: int, answer: Mapping[str, Any]) -> float:
        return same(index, answer["start"], answer["end"])

    requests = [Made(file, BYTES) for file in files]
    inputs = [{"audio": np.array([file], dtype=np.object_)} for file in files]

    def peer(network: str) -> Peer:
        key = f"fastapi-{network}"
        model = Model("vad", network, f"silero-vad ({NETWORKS[network]})", LIBRARIES)
        start = partial(behind_fastapi, setup, model, requests, compare_served, key=key)
        return Peer(key, FASTAPI_SETTINGS, start)

    def limit(network: str) -> Any:
        def contender(settings: str) -> Contender:
            title = f"silero-vad ({NETWORKS[network]}) in one process"
            return Contender(f"in-process-{network}", title, "peer", "in-process", settings)

        command = [str(setup.environments.python("fastapi")), str(IN_PROCESS), str(folder), network]
        environment = {"PYTHONPATH": str(setup.root / "src"), "OMP_NUM_THREADS": "1"}
        return partial(
            in_process, command, contender, compare_limit, environment, setup.log(f"vad-{network}")
        )

    seconds = [soundfile.info(io.BytesIO(file)).duration for file in files]
    return Section(
        "vad",
        "Voice activity",
        PIPELINE,
        (1, 16),
        f"{len(files)} recordings of {min(seconds):.1f} to {max(seconds):.0f} s, FLAC files of 16 kHz mono",
        "the share of recordings whose segments are the package's, by its torch network, to the sample",
        {"fp32": 1.0},
        [
            Group(
                "fp32",
                partial(triton, setup, PIPELINE, "fp32", inputs, compare_ours),
                [peer(network) for network in NETWORKS],
                [limit(network) for network in NETWORKS],
            )
        ],
    )


def _recordings(setup: Setup) -> tuple[Path, list[bytes]]:
    """The pipeline's samples as FLAC files of 16 kHz mono: a folder of them, and their bytes in its order."""
    folder = setup.work / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    samples = setup.root / "data_samples" / PIPELINE
    for path in sorted(samples.iterdir()):
        target = folder / f"{path.stem}.flac"
        if path.is_file() and path.suffix not in NO_SAMPLES and not target.is_file():
            soundfile.write(target, waveform(path.read_bytes()), SAMPLE_RATE_HZ, format="FLAC")
    return folder, [path.read_bytes() for path in sorted(folder.iterdir())]
