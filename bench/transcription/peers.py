"""The served pipeline against faster-whisper and transformers, over the wire, in one run.

    python -m venv V && V/bin/pip install -r bench/transcription/peer/requirements.txt
    python bench/transcription/peers.py --peer V/bin/python --work FOLDER --json peers.json

All decode one window of 29 s into exactly 64 tokens, greedily, with the same random weights at the
dimensions of whisper-small, on all cores. faster-whisper and transformers have no server of their own, so a
thin one is put around them (peer/serve.py). The servers are loaded in turn, round after round, while the
others idle; a ratio is taken round by round, and the median of the rounds is told. faster-whisper runs with
each of --settings, and what counts is its best: workers x threads, then environment variables that
CTranslate2 reads, then "batch=8" for its batched pipeline behind a batcher: 1x2,CT2_USE_MKL=0,batch=8.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from random_tree import random_tree
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from tritonzoo import Client
from tritonzoo.convert.speed import processor
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.speech.voice import voice

HERE = Path(__file__).parent
SECONDS = 29.0
OURS = "tritonzoo"
COMPUTE_TYPE = {"fp32": "float32", "int8": "int8"}

Call = Callable[[], int]  # makes one request, gives the tokens that were written


@dataclass(frozen=True)
class Server:
    """One way to be served."""

    name: str
    call: Call


@dataclass(frozen=True)
class Figure:
    """What one server took, at one precision and number of clients."""

    precision: str
    clients: int
    server: str
    seconds: list[float]  # per request, round by round
    ratios: list[float]  # to ours of the same round; over 1 where ours is faster


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


def options_of(setting: str, compute_type: str) -> tuple[list[str], dict[str, str]]:
    """The command line of faster-whisper's server and what it finds in its environment."""
    size, *others = setting.split(",")
    workers, threads = size.split("x")
    options = ["--compute-type", compute_type, "--workers", workers, "--threads", threads]
    environment = dict(each.split("=", 1) for each in others)
    if batch := environment.pop("batch", None):
        options += ["--batch", batch]
    return options, environment


@contextmanager
def peer(
    name: str,
    python: Path,
    engine: str,
    model: Path,
    tokens: int,
    options: Sequence[str] = (),
    **variables: str,
) -> Iterator[Server]:
    port = Ports.free().http
    command = [str(python), str(HERE / "peer" / "serve.py"), engine, str(model), str(port), *options]
    process = subprocess.Popen(command, env={**os.environ, **variables})
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
        yield Server(name, call)
    finally:
        process.terminate()
        process.wait(30)


def ours(client: Client, tokens: int, timestamps: str) -> Call:
    """`timestamps`: ids, forbidden to all: one that is written by chance would begin a window anew."""
    body = recording()

    def call() -> int:
        answer = client.infer(
            "ensemble_transcription",
            {"audio": [body]},
            {
                "vad": False, "window_s": SECONDS, "language": "en", "timestamps": False, "temperatures": "0",
                "min_new_tokens": tokens, "max_new_tokens": tokens, "hallucination_guard": False,
                "compression_ratio_threshold": "none", "log_probability_threshold": "none",
                "no_speech_threshold": "none", "suppress_tokens": timestamps,
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
        loop(server, clients, clients if server.name == OURS else 1, arguments.tokens)
    for _ in range(arguments.rounds):
        for server in servers:
            found[server.name].append(
                loop(server, clients, max(arguments.requests, clients), arguments.tokens)
            )
    return found


def timestamps_of(checkpoint: Path) -> str:
    """The ids of a checkpoint's timestamps, with commas between them."""
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    return ",".join(map(str, range(tokenizer.token_to_id("<|0.00|>"), tokenizer.get_vocab_size())))


def convert_for_faster_whisper(python: Path, checkpoint: Path, folder: Path, compute_type: str) -> Path:
    target = folder / f"ct2-{compute_type}"
    if not (target / "model.bin").is_file():
        converter = python.with_name("ct2-transformers-converter")
        subprocess.run(
            [converter, "--model", checkpoint, "--output_dir", target, "--quantization", compute_type,
             "--copy_files", "tokenizer.json", "--force"], check=True,
        )  # fmt: skip
    return target


def versions(python: Path) -> dict[str, str]:
    """Of what was measured, and on what."""
    wanted = ("faster-whisper", "ctranslate2", "transformers", "torch")
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {wanted}}}))"
    found = json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True).stdout)
    here = {"onnxruntime": onnxruntime.__version__, "python": platform.python_version()}
    return {**found, **here, "processor": processor(), "cores": str(len(os.sched_getaffinity(0)))}


def measured(precision: str, python: Path, arguments: argparse.Namespace) -> list[Figure]:
    """All servers at one precision, at each number of clients."""
    work = arguments.work.absolute()
    root, checkpoint = random_tree(work, arguments.size, tuple(arguments.precisions))
    compute_type, tokens = COMPUTE_TYPE[precision], arguments.tokens
    served = ServeOptions(
        root,
        Ports.free(),
        pipelines=("ensemble_transcription",),
        profile=f"cpu-{precision}",
        allow_unproved=("whisper_encoder", "whisper_decoder"),
    )
    figures = []
    with ExitStack() as stack:
        triton = stack.enter_context(EmbeddedTriton(served))
        client = stack.enter_context(Client(triton.grpc_url, timeout_s=900))
        servers = [Server(OURS, ours(client, tokens, timestamps_of(checkpoint)))]
        model = convert_for_faster_whisper(python, checkpoint, work, compute_type)
        for setting in arguments.settings:
            options, environment = options_of(setting, compute_type)
            name = f"faster-whisper {setting}"
            each = peer(name, python, "faster-whisper", model, tokens, options, **environment)
            servers.append(stack.enter_context(each))
        if precision == "fp32" and not arguments.no_transformers:
            each = peer("transformers", python, "transformers", checkpoint, tokens)
            servers.append(stack.enter_context(each))
        for clients in arguments.clients:
            rounds = measure(servers, clients, arguments)
            for name, seconds in rounds.items():
                ratios = [one / mine for one, mine in zip(seconds, rounds[OURS], strict=True)]
                figures.append(Figure(precision, clients, name, seconds, ratios))
    return figures


def print_table(figures: Sequence[Figure], tokens: int) -> None:
    table = Table(title=f"s per request of {SECONDS:g} s of audio and {tokens} tokens, median of rounds")
    for column in (
        "precision",
        "clients",
        "server",
        "s per request",
        "tritonzoo is faster by, round by round",
    ):
        table.add_column(column)
    for each in figures:
        ratios = each.ratios
        told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        median = f"{statistics.median(each.seconds):.2f}"
        table.add_row(
            each.precision, str(each.clients), each.server, median, "" if each.server == OURS else told
        )
    Console(width=140).print(table)


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
    parser.add_argument("--settings", nargs="+", default=["1x2", "2x1"], help="of faster-whisper; see above")
    parser.add_argument("--no-transformers", action="store_true")
    parser.add_argument("--json", type=Path, help="write every round's figures here, with versions")
    arguments = parser.parse_args()

    python = arguments.peer.absolute()
    figures = [each for one in arguments.precisions for each in measured(one, python, arguments)]
    print_table(figures, arguments.tokens)
    if arguments.json:
        told = {
            "date": datetime.now(UTC).date().isoformat(),
            "audio_s": SECONDS,
            "tokens": arguments.tokens,
            "size": arguments.size,
            "versions": versions(python),
            "figures": [asdict(each) for each in figures],
        }
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
