"""ensemble_handwriting: the file of a picture to a letter, our network and preprocessing for all."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial

import numpy as np
from bench.peers.adapters.behind_fastapi import SETTINGS as FASTAPI_SETTINGS
from bench.peers.adapters.behind_fastapi import behind_fastapi
from bench.peers.adapters.behind_litserve import behind_litserve
from bench.peers.adapters.model import Model
from bench.peers.adapters.triton import triton
from bench.peers.json_http import JSON
from bench.peers.sections.section import Group, Peer, Section
from bench.peers.setup import Setup

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.client.transport import Array
from tritonzoo.samples import LABELS

PIPELINE = "ensemble_handwriting"
BYTES = {"Content-Type": "application/octet-stream"}
LITSERVE_SETTINGS = (
    "--batch 1 --processes 2 --threads 1",
    "--batch 8 --wait-ms 2 --processes 2 --threads 1",
    "--batch 16 --wait-ms 5 --processes 1 --threads 2",
    "--batch 8 --wait-ms 2 --processes 2 --threads 1 --fast-queue",
)


def section(setup: Setup) -> Section:
    folder = setup.root / "data_samples" / PIPELINE
    rows = [line.split("\t") for line in (folder / LABELS).read_text("utf-8").splitlines() if line.strip()]
    files = [(folder / name).read_bytes() for name, _ in rows]
    wanted = [label for _, label in rows]

    def compare_ours(index: int, answer: Mapping[str, Array]) -> float:
        return float(answer["label"].item().decode() == wanted[index])

    def compare_served(index: int, reply: Reply) -> float:
        return float(json.loads(reply.body)["label"] == wanted[index])

    starter = setup.root / "starters" / "handwriting"
    model = Model("handwriting", str(starter), "our network in PyTorch", ("torch", "pillow"))
    as_bytes = [Made(file, BYTES) for file in files]
    as_json = [Made(json.dumps({"file": base64.b64encode(file).decode()}).encode(), JSON) for file in files]
    inputs = [{"image": np.array([[file]], dtype=np.object_)} for file in files]
    peers = [
        Peer("fastapi", FASTAPI_SETTINGS, partial(behind_fastapi, setup, model, as_bytes, compare_served)),
        Peer("litserve", LITSERVE_SETTINGS, partial(behind_litserve, setup, model, as_json, compare_served)),
    ]
    sizes_kb = [len(file) / 1e3 for file in files]
    return Section(
        "handwriting",
        "Handwriting",
        PIPELINE,
        (1, 16),
        f"{len(files)} pictures of {min(sizes_kb):.1f} to {max(sizes_kb):.0f} kB",
        "the share of right letters",
        {"fp32": 1.0},
        [Group("fp32", partial(triton, setup, PIPELINE, "fp32", inputs, compare_ours), peers)],
    )
