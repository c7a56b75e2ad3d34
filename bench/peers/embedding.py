"""ensemble_embedding against infinity-emb's torch engine: same weights, one machine, one run, both float32.

    .venv/bin/python bench/peers/embedding.py --infinity V/bin/infinity_emb

One generator sends single sentences of 5 to 60 words in a closed loop, to ours over gRPC and to the peer over
its HTTP API. The two are loaded in turn, round after round, while the other idles; figures are medians over
the rounds, the ratio is taken round by round. With one client, tokenizer and ONNX Runtime called in this
process, one sentence at a time, are measured beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import tritonclient.grpc.aio as grpc_aio
from rich.console import Console
from rich.table import Table

from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository
from tritonzoo.sources import fetch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.server.sentences import sentence

Call = Callable[[str], Awaitable[None]]
WORDS = (5, 60)


@dataclass(frozen=True)
class Round:
    """What one closed loop measured."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def texts(seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [sentence(draw.randint(*WORDS), seed=seed + index) for index in range(2_000)]


async def closed_loop(call: Call, clients: int, seconds: float, seed: int) -> Round:
    """`clients` callers that each send the next sentence as soon as they have their answer."""
    source = itertools.cycle(texts(seed))
    latencies_s: list[float] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while (start := time.perf_counter()) < end:
            await call(next(source))
            latencies_s.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(clients)))
    elapsed_s = time.perf_counter() - start
    p50, p99 = np.percentile(np.array(latencies_s) * 1e3, [50, 99])
    return Round(len(latencies_s) / elapsed_s, float(p50), float(p99))


def triton_call(client: grpc_aio.InferenceServerClient) -> Call:
    outputs = [grpc_aio.InferRequestedOutput("embedding")]

    async def call(text: str) -> None:
        tensor = grpc_aio.InferInput("text", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=object))
        answer = await client.infer("ensemble_embedding", [tensor], outputs=outputs)
        assert answer.as_numpy("embedding").shape == (1, 384)

    return call


def infinity_call(session: aiohttp.ClientSession, url: str) -> Call:
    async def call(text: str) -> None:
        async with session.post(f"{url}/embeddings", json={"model": "m", "input": [text]}) as response:
            answer = await response.json()
            assert len(answer["data"][0]["embedding"]) == 384

    return call


def in_process_p50_ms(root: Path, count: int = 300) -> float:
    """Median latency of tokenizer and ONNX Runtime, called one sentence at a time in this process."""
    import onnxruntime
    import tokenizers

    model = root / "model_repository"
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "sentence_tokenizer/1/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model / "sentence_transformer/1/model.onnx", options, providers=["CPUExecutionProvider"]
    )
    latencies_s = []
    for text in texts(1)[:count]:
        start = time.perf_counter()
        encoding = tokenizer.encode(text)
        feeds = {
            "input_ids": np.array([encoding.ids], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask], dtype=np.int64),
        }
        session.run(["embedding"], feeds)
        latencies_s.append(time.perf_counter() - start)
    return statistics.median(latencies_s) * 1e3


def start_infinity(executable: Path, model: Path, port: int) -> subprocess.Popen[bytes]:
    command = [
        *(str(executable), "v2", "--model-id", str(model), "--served-model-name", "m", "--engine", "torch"),
        *("--device", "cpu", "--dtype", "float32", "--batch-size", "64", "--host", "127.0.0.1"),
        *("--port", str(port), "--log-level", "warning"),
    ]
    offline = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    process = subprocess.Popen(command, env=os.environ | offline, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return process
        except OSError:
            time.sleep(0.5)
    process.kill()
    raise SystemExit(f"infinity did not become ready: {' '.join(command)}")


async def measure(
    arguments: argparse.Namespace, triton: EmbeddedTriton
) -> dict[int, list[tuple[Round, Round, float]]]:
    """For each number of clients, a (ours, peer, in-process p50) for each round."""
    root = triton.options.root
    results: dict[int, list[tuple[Round, Round, float]]] = {}
    limit = aiohttp.TCPConnector(limit=0)
    async with (
        grpc_aio.InferenceServerClient(triton.grpc_url) as client,
        aiohttp.ClientSession(connector=limit) as session,
    ):
        ours, peer = (
            triton_call(client),
            infinity_call(session, f"http://127.0.0.1:{arguments.infinity_port}"),
        )
        for call in (ours, peer):
            await closed_loop(call, 8, seconds=5, seed=99)
        for clients in arguments.clients:
            results[clients] = []
            for number in range(arguments.rounds):
                mine = await closed_loop(ours, clients, arguments.seconds, seed=number)
                theirs = await closed_loop(peer, clients, arguments.seconds, seed=number)
                inside = in_process_p50_ms(root) if clients == 1 else float("nan")
                results[clients].append((mine, theirs, inside))
    return results


def report(results: dict[int, list[tuple[Round, Round, float]]]) -> None:
    table = Table(title="requests per second (p50 / p99 in ms), median over the rounds")
    for column in ("clients", "ours", "infinity torch", "ratio, round by round", "in-process p50"):
        table.add_column(column)

    def told(rounds: list[Round]) -> str:
        rate, p50, p99 = (
            statistics.median(getattr(one, field) for one in rounds)
            for field in ("requests_per_s", "p50_ms", "p99_ms")
        )
        return f"{rate:.0f} ({p50:.1f} / {p99:.0f})"

    for clients, rounds in results.items():
        ratios = [mine.requests_per_s / theirs.requests_per_s for mine, theirs, _ in rounds]
        told_ratios = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        inside = f"{statistics.median(one for _, _, one in rounds):.1f}" if clients == 1 else ""
        mine, theirs = told([one for one, _, _ in rounds]), told([one for _, one, _ in rounds])
        table.add_row(str(clients), mine, theirs, told_ratios, inside)
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--infinity", type=Path, required=True, help="the peer's infinity_emb command")
    parser.add_argument("--infinity-port", type=int, default=17997)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--port", type=int, default=17800, help="first of three ports for ours")
    arguments = parser.parse_args()

    repository = Repository.find()
    (source,) = repository.model("sentence_transformer").recipe.sources_of("starter")
    peer = start_infinity(arguments.infinity, fetch(source, repository.root), arguments.infinity_port)
    ports = Ports(arguments.port, arguments.port + 1, arguments.port + 2)
    try:
        with EmbeddedTriton(
            ServeOptions(repository.root, ports, pipelines=("ensemble_embedding",))
        ) as triton:
            report(asyncio.run(measure(arguments, triton)))
    finally:
        peer.terminate()
        peer.wait(30)


if __name__ == "__main__":
    main()
