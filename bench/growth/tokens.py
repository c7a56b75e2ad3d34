"""ensemble_embedding with texts of 8 to 512 tokens, each length by itself, for one client and for sixteen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from bench.growth.observed import figures_of, row
from bench.growth.plotting import number
from tests.server.sentences import sentence

from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.target import Target, target
from tritonzoo.client.endpoint import Endpoint
from tritonzoo.explain.alone import alone
from tritonzoo.repository import Repository

PIPELINE = "ensemble_embedding"
MODEL, TOKENIZER = "sentence_transformer", "sentence_tokenizer"
KEYS = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
CLIENTS = (1, 16)
TEXTS = 16  # of each length
SECONDS, REPEATS, WARMUP_S = 1.5, 3, 0.7
ALONE_S = 1.0


@contextmanager
def session() -> Iterator[Target]:
    with target(PIPELINE, "", "grpc") as server:
        yield server


def measure(server: Target, tokens: int) -> list[dict[str, Any]]:
    tree = Repository.find()
    loads = [Load("concurrency", clients) for clients in CLIENTS]
    options = BenchOptions(loads, seconds=SECONDS, warmup_s=WARMUP_S, repeats=REPEATS)
    texts = list(itertools.islice(texts_of(tree, tokens), TEXTS))
    points = figures_of(server, PIPELINE, texts, options).points
    requests = [{"text": np.array([[text.encode()]], dtype=object)} for text in texts]
    took_ms = alone(tree, server.profile, PIPELINE, _configs(server.endpoint), requests, ALONE_S)
    return [
        {"tokens": tokens, "clients": one["load"], "alone_ms": took_ms, **one} for one in map(row, points)
    ]


def _configs(endpoint: Endpoint) -> dict[str, Any]:
    import asyncio

    from tritonzoo.bench.run import configs_of
    from tritonzoo.client.triton import TritonTransport

    async def ask() -> dict[str, Any]:
        transport = TritonTransport(endpoint, timeout_s=60)
        try:
            return await configs_of(transport, PIPELINE)
        finally:
            await transport.close()

    return asyncio.run(ask())


def texts_of(tree: Repository, tokens: int) -> Iterator[str]:
    """Texts of exactly so many tokens, the two special ones counted."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tree.model(TOKENIZER).version_folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for seed in itertools.count():
        text = ""
        for word in sentence(tokens, seed=seed).lower().removesuffix(".").split():
            longer = f"{text} {word}".strip()
            if len(tokenizer.encode(longer)) > tokens:
                break
            text = longer
        if len(tokenizer.encode(text)) == tokens:
            yield text


def draw(figure: Any, rows: list[dict[str, Any]]) -> None:
    rate, latency = figure.subplots(1, 2)
    for clients in CLIENTS:
        of = [one for one in rows if one["clients"] == clients]
        tokens = [one["tokens"] for one in of]
        label = f"{clients} client{'s' if clients > 1 else ''}"
        rate.plot(tokens, [one["answers_per_s"] * one["tokens"] for one in of], "o-", label=label)
        latency.plot(tokens, [one["p50_ms"] for one in of], "o-", label=f"{label}, p50")
    of = [one for one in rows if one["clients"] == CLIENTS[0]]
    latency.plot(
        tokens, [sum(one["alone_ms"].values()) for one in of], "k:", linewidth=1, label="in one process"
    )
    rate.set_title("tokens sent a second", loc="left")
    latency.set_title("milliseconds to an answer", loc="left")
    latency.set_yscale("log")
    latency.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in (rate, latency):
        axes.set_xscale("log", base=2)
        axes.set_xticks(tokens, [str(value) for value in tokens], fontsize=8)
        axes.set_xlabel("tokens of a text")
        axes.legend(frameon=False)
    rate.set_ylim(bottom=0)


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    head = [
        "tokens",
        "clients",
        "answers a second",
        "p50 ms",
        "in one process, ms",
        "texts in a batch",
        "CPU ms an answer",
    ]
    body = [
        [
            str(one["tokens"]),
            f"{one['clients']:g}",
            number(one["answers_per_s"]),
            number(one["p50_ms"]),
            number(sum(one["alone_ms"].values())) if one["clients"] == 1 else "",
            number(one["batch"].get(MODEL)),
            number(one["cpu_ms"]),
        ]
        for one in rows
    ]
    return [head, *body]
