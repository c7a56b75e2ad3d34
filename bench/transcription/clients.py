"""Many clients of the transcription pipelines: how windows share executions, how soon a cancelled one is out.

    python bench/transcription/clients.py [--clients 16] [--root TREE]

Each client sends the tree's own samples again and again. Executions and windows are Triton's own counters.
A stream is closed after its first segment; what it still held in the decoder is free when Triton has counted
an answer to each of its windows.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import soxr
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray

from tritonzoo import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "data_samples" / "ensemble_transcription" / "clean.flac"
SAMPLE_RATE_HZ = 16_000
PIPELINES = ("ensemble_transcription", "transcription_stream")


def counters(statistics: grpcclient.InferenceServerClient, model: str) -> tuple[int, int]:
    """Windows and executions of a model so far."""
    stats = statistics.get_inference_statistics(model).model_stats[0]
    return stats.inference_count, stats.execution_count


def speech() -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(SAMPLE, dtype="float32")
    return soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)


def sharing(
    client: Client, statistics: grpcclient.InferenceServerClient, clients: int, requests: int
) -> None:
    """Executions per window, each client one window at a time."""
    recording = speech()
    alone = client.transcribe(recording, language="en").text
    before = {name: counters(statistics, name) for name in ("whisper_encoder", "whisper_decoder")}
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        texts = list(pool.map(lambda _: client.transcribe(recording, language="en").text, range(requests)))
    elapsed_s = time.perf_counter() - start
    assert set(texts) == {alone}, "batching changed an answer"
    print(f"{clients} clients, {requests} requests in {elapsed_s:.1f} s, every answer as alone")
    for name, (windows, executions) in before.items():
        after = counters(statistics, name)
        more = after[0] - windows, after[1] - executions
        print(f"  {name}: {more[0]} windows in {more[1]} executions, {more[1] / more[0]:.2f} per window")


def cancelling(
    client: Client, statistics: grpcclient.InferenceServerClient, times: int, options: dict[str, object]
) -> None:
    """How long after a stream was closed its windows have left the decoder."""
    one = speech()
    recording = np.concatenate([one, np.zeros(8_000, np.float32)] * 40)
    delays_ms = []
    for _ in range(times):
        segments = client.transcribe_stream(recording, language="en", **options)
        next(segments)
        time.sleep(0.2)
        segments.close()
        closed = last = time.perf_counter()
        count = counters(statistics, "whisper_decoder")[0]
        while time.perf_counter() - last < 1.0:  # nothing more is answered for a second: all are out
            now = counters(statistics, "whisper_decoder")[0]
            if now != count:
                count, last = now, time.perf_counter()
        delays_ms.append((last - closed) * 1000)
    print(f"closed {times} streams: the decoder was free of each after {sorted(map(round, delays_ms))} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--min-new-tokens", type=int, default=0, help="so that decoding takes a while")
    parser.add_argument("--profile", default="cpu-fp32")
    parser.add_argument("--root", type=Path, default=Repository.find(HERE).root, help="the tree to serve")
    parser.add_argument("--allow-unproved", nargs="*", default=[])
    arguments = parser.parse_args()
    served = ServeOptions(
        arguments.root,
        Ports.free(),
        pipelines=PIPELINES,
        profile=arguments.profile,
        allow_unproved=tuple(arguments.allow_unproved),
    )
    with EmbeddedTriton(served) as triton, Client(triton.grpc_url, timeout_s=600) as client:
        statistics = grpcclient.InferenceServerClient(triton.grpc_url)
        sharing(client, statistics, arguments.clients, arguments.requests)
        cancelling(client, statistics, arguments.streams, {"min_new_tokens": arguments.min_new_tokens})


if __name__ == "__main__":
    main()
