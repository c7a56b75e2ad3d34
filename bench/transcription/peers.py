"""The served pipeline against faster-whisper and transformers, over the wire, in one run.

    python -m venv V && V/bin/pip install -r bench/transcription/peer/requirements.txt
    python bench/transcription/peers.py --peer V/bin/python --work FOLDER

All decode one window of 29 s into exactly 64 tokens, greedily, with the same random weights at the
dimensions of whisper-small, on all cores. faster-whisper and transformers have no server of their own, so a
thin one is put around them (peer/serve.py). The servers are loaded in turn, round after round, while the
others idle; a ratio is taken round by round, and the median of the rounds is told. faster-whisper runs with
each of --settings (workers x threads), and what counts is its best.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from random_tree import random_tree
from rich.console import Console
from rich.table import Table

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.speech.voice import voice

HERE = Path(__file__).parent
SECONDS = 29.0
COMPUTE_TYPE = {"fp32": "float32", "int8": "int8"}

Call = Callable[[], int]  # makes one request, gives the tokens that were written


@dataclass(frozen=True)
class Server:
    """One way to be served."""

    name: str
    call: Call


def recording() -> bytes:
    samples = voice(np.random.default_rng(0), SECONDS)
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, format="WAV", subtype="FLOAT")
    return content.getvalue()


def loop(server: Server, clients: int, requests: int, tokens: int) -> float:
    """Seconds per request, `clients` at a time."""
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        written = list(pool.map(lambda _: server.call(), range(requests)))
    elapsed_s = time.perf_counter() - start
    if not all(tokens <= count <= tokens + 8 for count in written):  # the prompt's may be counted
        raise SystemExit(
            f"{server.name}: wanted {tokens} tokens, got {sorted(set(written))}; not the same work"
        )
    return elapsed_s / requests


@contextmanager
def peer(python: Path, engine: str, model: Path, tokens: int, *options: str) -> Iterator[Server]:
    port = Ports.free().http
    command = [python, HERE / "peer" / "serve.py", engine, model, str(port), *options]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    body = recording()

    def call() -> int:
        request = urllib.request.Request(
            f"{url}/transcribe?tokens={tokens}", body, {"Content-Type": "audio/wav"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return int(answer.read().split(b":")[1].strip(b" }"))

    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/ready", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{engine} ended: {' '.join(map(str, command))}") from None
                time.sleep(0.5)
        yield Server(" ".join((engine, *options)), call)
    finally:
        process.terminate()
        process.wait(30)


def ours(client: Client, tokens: int) -> Call:
    body = recording()

    def call() -> int:
        answer = client.infer(
            "ensemble_transcription",
            {"audio": [body]},
            {
                "vad": False, "language": "en", "timestamps": False, "temperatures": "0",
                "min_new_tokens": tokens, "max_new_tokens": tokens, "hallucination_guard": False,
                "compression_ratio_threshold": "none", "log_probability_threshold": "none",
                "no_speech_threshold": "none",
            },
        )  # fmt: skip
        if answer["stop_reason"].item() != b"length":
            raise SystemExit("the end of text was written: not the same work")
        return tokens

    return call


def measure(servers: list[Server], clients: int, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds per request of each server, round by round."""
    found: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        loop(server, clients, clients, arguments.tokens)
    for _ in range(arguments.rounds):
        for server in servers:
            found[server.name].append(
                loop(server, clients, max(arguments.requests, clients), arguments.tokens)
            )
    return found


def convert_for_faster_whisper(python: Path, checkpoint: Path, folder: Path, compute_type: str) -> Path:
    target = folder / f"ct2-{compute_type}"
    if not (target / "model.bin").is_file():
        converter = python.with_name("ct2-transformers-converter")
        subprocess.run(
            [converter, "--model", checkpoint, "--output_dir", target, "--quantization", compute_type,
             "--copy_files", "tokenizer.json", "--force"], check=True,
        )  # fmt: skip
    return target


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, required=True, help="python of the peers' environment")
    parser.add_argument("--work", type=Path, required=True, help="folder for models; kept between runs")
    parser.add_argument("--size", default="small")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--requests", type=int, default=4, help="in one round, at least one a client")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument(
        "--settings", nargs="+", default=["1x2", "2x1"], help="faster-whisper: workers x threads"
    )
    parser.add_argument("--no-transformers", action="store_true")
    parser.add_argument("--save", type=Path, help="write each server's seconds, round by round, as JSON")
    arguments = parser.parse_args()

    python = arguments.peer.absolute()
    root, checkpoint = random_tree(arguments.work.absolute(), arguments.size, tuple(arguments.precisions))
    table = Table(
        title=f"s per request of {SECONDS:g} s of audio and {arguments.tokens} tokens, median of rounds"
    )
    for column in ("precision", "clients", "server", "s per request", "ours is faster by, round by round"):
        table.add_column(column)
    figures: list[dict[str, object]] = []
    for precision in arguments.precisions:
        compute_type = COMPUTE_TYPE[precision]
        model = convert_for_faster_whisper(python, checkpoint, arguments.work.absolute(), compute_type)
        served = ServeOptions(
            root,
            Ports.free(),
            pipelines=("ensemble_transcription",),
            profile=f"cpu-{precision}",
            allow_unproved=("whisper_encoder", "whisper_decoder"),
        )
        with ExitStack() as stack:
            triton = stack.enter_context(EmbeddedTriton(served))
            client = stack.enter_context(Client(triton.grpc_url, timeout_s=900))
            servers = [Server("ours", ours(client, arguments.tokens))]
            for setting in arguments.settings:
                workers, threads = setting.split("x")
                options = ("--compute-type", compute_type, "--workers", workers, "--threads", threads)
                servers.append(
                    stack.enter_context(peer(python, "faster-whisper", model, arguments.tokens, *options))
                )
            if precision == "fp32" and not arguments.no_transformers:
                servers.append(
                    stack.enter_context(peer(python, "transformers", checkpoint, arguments.tokens))
                )
            for clients in arguments.clients:
                rounds = measure(servers, clients, arguments)
                figures.append({"precision": precision, "clients": clients, "seconds": rounds})
                if arguments.save:
                    arguments.save.write_text(json.dumps(figures, indent=1), "utf-8")
                for name, seconds in rounds.items():
                    ratios = [one / mine for one, mine in zip(seconds, rounds["ours"], strict=True)]
                    told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                    median = f"{statistics.median(seconds):.2f}"
                    table.add_row(precision, str(clients), name, median, "" if name == "ours" else told)
                Console(width=140).print(table)


if __name__ == "__main__":
    main()
