"""ensemble_embedding under 1 to 256 clients, texts of 5 to 60 words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.growth.observed import figures_of, row
from bench.growth.plotting import number
from tests.server.sentences import sentence

from tritonzoo.bench.options import BenchOptions, Load
from tritonzoo.bench.target import Target, target

PIPELINE = "ensemble_embedding"
MODEL, TOKENIZER = "sentence_transformer", "sentence_tokenizer"
KEYS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
WORDS = (5, 60)
TEXTS = 512
SECONDS, REPEATS, WARMUP_S = 3.0, 3, 1.5


@contextmanager
def session() -> Iterator[Target]:
    with target(PIPELINE, "", "grpc") as server:
        yield server


def measure(server: Target, clients: int) -> list[dict[str, Any]]:
    draw = random.Random(0)
    texts = [sentence(draw.randint(*WORDS), seed=index) for index in range(TEXTS)]
    load = Load("concurrency", clients)
    options = BenchOptions([load], seconds=SECONDS, warmup_s=WARMUP_S, repeats=REPEATS)
    return [row(point) for point in figures_of(server, PIPELINE, texts, options).points]


def draw(figure: Any, rows: list[dict[str, Any]]) -> None:
    clients = [one["load"] for one in rows]
    rate, latency, batch = figure.subplots(1, 3)
    rate.errorbar(
        clients,
        [one["answers_per_s"] for one in rows],
        yerr=[
            [one["answers_per_s"] - one["least_per_s"] for one in rows],
            [one["most_per_s"] - one["answers_per_s"] for one in rows],
        ],
        fmt="o-", capsize=3,
    )  # fmt: skip
    rate.set_ylim(bottom=0)
    rate.set_title("answers a second", loc="left")
    for name in ("p50_ms", "p99_ms"):
        latency.plot(clients, [one[name] for one in rows], "o-", label=name.removesuffix("_ms"))
    latency.plot(
        clients, [1000 * one["load"] / one["answers_per_s"] for one in rows],
        "k:", linewidth=1, label="clients / answers a second",
    )  # fmt: skip
    latency.set_yscale("log")
    latency.set_title("milliseconds to an answer", loc="left")
    latency.legend(frameon=False)
    for name in (TOKENIZER, MODEL):
        batch.plot(clients, [one["batch"].get(name) for one in rows], "o-", label=name)
    batch.set_yscale("log", base=2)
    batch.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    batch.set_title("texts in a batch", loc="left")
    batch.legend(frameon=False)
    for axes in (rate, latency, batch):
        axes.set_xscale("log", base=2)
        axes.set_xticks(clients, [f"{value:g}" for value in clients])
        axes.set_xlabel("clients")


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    head = [
        "clients", "answers a second", "p50 ms", "p99 ms", "texts in a batch", "waits for the encoder, ms",
        "padding", "CPU ms an answer", "cores busy",
    ]  # fmt: skip
    body = [
        [
            f"{one['load']:g}",
            number(one["answers_per_s"]),
            number(one["p50_ms"]),
            number(one["p99_ms"]),
            number(one["batch"].get(MODEL)),
            number(one["queue_ms"].get(MODEL)),
            f"{one['padding'].get(MODEL, 0):.0%}",
            number(one["cpu_ms"]),
            f"{one['server_cores']:.2f}",
        ]
        for one in rows
    ]
    return [head, *body]
