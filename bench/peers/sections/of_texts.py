"""What the pipelines that read text have in common: who is compared, and how each one's answer is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from bench.peers.adapters.behind_fastapi import SETTINGS as FASTAPI_SETTINGS
from bench.peers.adapters.behind_fastapi import behind_fastapi
from bench.peers.adapters.behind_litserve import SETTINGS as LITSERVE_SETTINGS
from bench.peers.adapters.behind_litserve import behind_litserve
from bench.peers.adapters.in_process import in_process
from bench.peers.adapters.infinity import SETTINGS as INFINITY_SETTINGS
from bench.peers.adapters.infinity import Engine, infinity
from bench.peers.adapters.model import Model
from bench.peers.adapters.triton import triton
from bench.peers.contender import Contender
from bench.peers.json_http import JSON
from bench.peers.sections.section import Group, Peer
from bench.peers.setup import Setup

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.client.transport import Array

GRAPHS = {"fp32": ("model.onnx", "model.fused.onnx"), "int8": ("model.int8.onnx",)}
PROGRAM = Path(__file__).parents[1] / "in_process_texts.py"
ENGINES: tuple[Engine, ...] = ("torch", "optimum")


@dataclass(frozen=True)
class TextTask:
    """One pipeline over text.

    Attributes:
        tokenizer, graph: folders of model_repository.
        output: of the graph, by name.
        agree: the index of a text and what was answered (as the next four read it), to how far it is right.
    """

    pipeline: str
    tokenizer: str
    graph: str
    output: str
    infinity_task: Literal["embedding", "classification"]
    checkpoint: Path
    behind: Model
    agree: Callable[[int, Any], float]
    read_ours: Callable[[Mapping[str, Array]], Any]
    read_infinity: Callable[[Reply], Any]
    read_served: Callable[[Mapping[str, Any]], Any]
    read_limit: Callable[[Sequence[float]], Any]


def group_of(setup: Setup, task: TextTask, texts: Sequence[str], file: Path, precision: str) -> Group:
    """Everybody who answers at a precision; `file` has the same texts in JSON."""
    inputs = [{"text": np.array([[text.encode()]], dtype=np.object_)} for text in texts]
    peers = [_infinity(setup, task, engine, precision, texts) for engine in ENGINES]
    if precision == "fp32":
        peers += _behind_servers(setup, task, texts)
    return Group(
        precision,
        partial(
            triton,
            setup,
            task.pipeline,
            precision,
            inputs,
            lambda index, answer: task.agree(index, task.read_ours(answer)),
        ),
        peers,
        [
            partial(
                in_process,
                _limit_command(setup, task, file, precision),
                _limit,
                lambda index, answer: task.agree(index, task.read_limit(answer)),
                {},
                setup.log(f"limit-{task.graph}"),
            )
        ],
    )


def _infinity(setup: Setup, task: TextTask, engine: Engine, precision: str, texts: Sequence[str]) -> Peer:
    def compare(index: int, reply: Reply) -> float:
        return task.agree(index, task.read_infinity(reply))

    start = partial(infinity, setup, engine, precision, task.infinity_task, task.checkpoint, texts, compare)
    return Peer(f"infinity-{engine}", INFINITY_SETTINGS[engine], start)


def _behind_servers(setup: Setup, task: TextTask, texts: Sequence[str]) -> list[Peer]:
    def compare(index: int, reply: Reply) -> float:
        return task.agree(index, task.read_served(json.loads(reply.body)))

    requests = [Made(json.dumps({"text": text}).encode(), JSON) for text in texts]
    return [
        Peer("fastapi", FASTAPI_SETTINGS, partial(behind_fastapi, setup, task.behind, requests, compare)),
        Peer("litserve", LITSERVE_SETTINGS, partial(behind_litserve, setup, task.behind, requests, compare)),
    ]


def _limit_command(setup: Setup, task: TextTask, file: Path, precision: str) -> list[str]:
    models = setup.root / "model_repository"
    graphs = [models / task.graph / "1" / name for name in GRAPHS[precision]]
    there = [path for path in graphs if path.is_file()]
    tokenizer = models / task.tokenizer / "1" / "tokenizer.json"
    return [str(part) for part in (sys.executable, PROGRAM, file, tokenizer, task.output, *there)]


def _limit(settings: str) -> Contender:
    return Contender("limit", "ONNX Runtime in one process: the limit", "limit", "in-process", settings)
