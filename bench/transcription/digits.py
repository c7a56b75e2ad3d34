"""Word errors and start times of the served pipeline on digits of real people that the starter never heard.

    python bench/transcription/digits.py --data FOLDER [--minutes 60] [--noise 20]

FOLDER holds recordings of the Free Spoken Digit Dataset. Strings of 1 to 10 digits go over gRPC from 8
clients at once; then one file of an hour, cut by the VAD and, with --sequential, by Whisper's own algorithm,
with the server's memory. Prints a JSON object for each.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from recordings import HELD_OUT, Recorded, hour, speakers, string
from scoring import Score, Timed
from server_memory import ServerMemory

from tritonzoo import Client
from tritonzoo.client import Transcription
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.repository import Repository

PIPELINES = ("ensemble_transcription", "transcription_stream")
CLIENTS = 8


def written(transcript: Transcription) -> list[Timed]:
    return [Timed(word.text.strip(" .,").lower(), word.start_s) for word in transcript.words]


def strings(client: Client, made: list[Recorded], options: dict[str, object]) -> dict[str, object]:
    score = Score()
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda one: client.transcribe(one.flac(), **options), made)
        for one, answer in zip(made, answers, strict=True):
            score.add(one.said, written(answer))
    elapsed_s = time.perf_counter() - start
    seconds = sum(one.seconds for one in made)
    return {**score.summary(), "strings": len(made), "times_real_time": round(seconds / elapsed_s, 1)}


def one_file(
    client: Client, triton: EmbeddedTriton, made: Recorded, options: dict[str, object]
) -> dict[str, object]:
    file = made.flac()
    score = Score()
    with ServerMemory(triton) as memory:
        start = time.perf_counter()
        answer = Transcription.from_segments(client.transcribe_stream(file, **options))
        elapsed_s = time.perf_counter() - start
    score.add(made.said, written(answer))
    return {
        **score.summary(),
        "minutes": round(made.seconds / 60, 1),
        "elapsed_s": round(elapsed_s, 1),
        "times_real_time": round(made.seconds / elapsed_s, 1),
        "memory": str(memory),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings")
    parser.add_argument(
        "--index", type=int, nargs="+", default=list(HELD_OUT), help="indices of the recordings"
    )
    parser.add_argument("--strings", type=int, default=20, help="strings a speaker")
    parser.add_argument("--minutes", type=float, default=60, help="length of the one file; 0: none")
    parser.add_argument(
        "--noise", type=float, nargs="*", default=[20], help="dB below the speech, beside clean"
    )
    parser.add_argument("--sequential", action="store_true", help="the one file with VAD off as well")
    parser.add_argument("--window-s", type=float, help="longest window with the VAD; the pipeline's own else")
    parser.add_argument("--language", default="en", help="empty: detected")
    parser.add_argument("--profile", default="cpu-fp32")
    parser.add_argument("--root", type=Path, default=Repository.find().root, help="the tree to serve")
    parser.add_argument("--allow-unproved", nargs="*", default=[])
    arguments = parser.parse_args()

    voices = speakers(arguments.data, arguments.index)
    options: dict[str, object] = {"language": arguments.language or None}
    served = ServeOptions(
        arguments.root,
        Ports.free(),
        pipelines=PIPELINES,
        profile=arguments.profile,
        allow_unproved=tuple(arguments.allow_unproved),
    )
    with EmbeddedTriton(served) as triton, Client(triton.grpc_url, timeout_s=1200) as client:
        for noise_db in (None, *arguments.noise):
            kind = "clean" if noise_db is None else f"noise at {noise_db:g} dB"
            rng = np.random.default_rng(1)
            made = [
                string(rng, voice, noise_db) for voice in voices.values() for _ in range(arguments.strings)
            ]
            for vad in (True, False):
                told = strings(client, made, {**options, "vad": vad})
                print(f"strings, {kind}, vad {vad}:", json.dumps(told), flush=True)
        if arguments.minutes:
            made = hour(np.random.default_rng(2), voices, arguments.minutes, arguments.noise[0])
            for vad in (True, False) if arguments.sequential else (True,):
                windows = {"window_s": arguments.window_s} if arguments.window_s and vad else {}
                told = one_file(client, triton, made, {**options, "vad": vad, **windows})
                print(
                    f"one file, noise at {arguments.noise[0]:g} dB, vad {vad}:", json.dumps(told), flush=True
                )


if __name__ == "__main__":
    main()
