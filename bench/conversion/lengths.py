"""A model's artifacts beside its float32 graph, by batch and length: what each buys depends on both.

    python bench/conversion/lengths.py sentence_transformer --rows 32 --lengths 16 32 64 128 256

In this process, in ONNX Runtime as it is served (all cores, no spinning), full rows of random tokens. The
artifacts run in turn, round after round; a ratio is that of their best rounds.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np
from onnxruntime import InferenceSession
from rich.console import Console
from rich.table import Table

from tritonzoo.repository import Repository
from tritonzoo.runtime.onnx.session import open_session
from tritonzoo.runtime.parameters import Parameters

INPUTS = ("input_ids", "attention_mask")
LEAST_ID, MOST_ID = 1000, 20_000  # of BERT's vocabulary: whole words


def best_s(sessions: list[InferenceSession], rows: int, length: int, rounds: int) -> list[float]:
    """Seconds of each session's best round over `rows` of `length` tokens."""
    ids = np.random.default_rng(0).integers(LEAST_ID, MOST_ID, (rows, length))
    feed = dict(zip(INPUTS, (ids, np.ones_like(ids)), strict=True))
    found = [float("inf")] * len(sessions)
    for number in range(rounds + 1):  # the first one warms up
        for place, session in enumerate(sessions):
            start_s = time.perf_counter()
            session.run(None, feed)
            if number:
                found[place] = min(found[place], time.perf_counter() - start_s)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="sentence_transformer")
    parser.add_argument(
        "--artifacts", nargs="+", default=["model.onnx", "model.fused.onnx", "model.int8.onnx"]
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    folder = Repository.find().model(arguments.model).version_folder
    config = {"instance_group": [], "parameters": {"padding": {"string_value": "input_ids:1=0"}}}
    sessions = [
        open_session(folder / name, config, Parameters(config), "CPU", 0, logging.getLogger())
        for name in arguments.artifacts
    ]
    table = Table(title=f"{arguments.model}: milliseconds, and times as fast as {arguments.artifacts[0]}")
    for column in ("rows x tokens", *arguments.artifacts):
        table.add_column(column, justify="right")
    for rows in arguments.rows:
        for length in arguments.lengths:
            found = best_s(sessions, rows, length, arguments.rounds)
            cells = [f"{1e3 * one:.1f} ({found[0] / one:.2f})" for one in found]
            table.add_row(f"{rows} x {length}", *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
