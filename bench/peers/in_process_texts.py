"""The limit for texts: tokenizer and ONNX Runtime in one process, nothing between them and all cores.

    python in_process_texts.py TEXTS.json TOKENIZER.json OUTPUT GRAPH [GRAPH ...]

Reads a line of JSON for each order from standard input and answers with one. {"clients": 1, "seconds":
3}: one text at a time; more clients: all texts known beforehand, sorted by length and in batches of the
best size. {"answer": 64}: the answers to the first texts. Which graph (plain or fused) and which batch
is best is tried first.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers

MAX_TOKENS = 256
BATCHES = (8, 16, 32, 64)
TRIAL_S = 1.0


class Limit:
    """One graph, ready to run."""

    def __init__(self, graph: Path, tokenizer: Path, texts: Sequence[str], output: str) -> None:
        self.graph = graph
        self.batch = BATCHES[0]
        self._texts = list(texts)
        self._output = output
        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def one_at_a_time(self, seconds: float) -> list[float]:
        """Seconds that each text took, from text to vector."""
        took: list[float] = []
        end_s = time.perf_counter() + seconds
        while (start_s := time.perf_counter()) < end_s:
            self._run([self._tokenizer.encode(self._texts[len(took) % len(self._texts)])])
            took.append(time.perf_counter() - start_s)
        return took

    def sorted_batches(self, seconds: float) -> tuple[int, float]:
        """Texts answered, and seconds; always all texts, as often as fits."""
        answered, start_s = 0, time.perf_counter()
        while time.perf_counter() < start_s + seconds:
            encodings = sorted(self._tokenizer.encode_batch(self._texts), key=len)
            for start in range(0, len(encodings), self.batch):
                self._run(encodings[start : start + self.batch])
            answered += len(self._texts)
        return answered, time.perf_counter() - start_s

    def answers(self, count: int) -> list[list[float]]:
        """To the first texts, one at a time."""
        return [self._run([self._tokenizer.encode(text)])[0].tolist() for text in self._texts[:count]]

    def _run(self, encodings: Sequence[Any]) -> Any:
        shape = len(encodings), max(map(len, encodings))
        ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        return self._session.run([self._output], {"input_ids": ids, "attention_mask": mask})[0]


def best(limits: Sequence[Limit]) -> tuple[Limit, dict[str, float]]:
    """The one that answers most texts a second, its batch set to the best; and all that was tried."""
    tried: dict[str, float] = {}
    found: list[tuple[float, Limit, int]] = []
    for limit in limits:
        for batch in BATCHES:
            limit.batch = batch
            answered, seconds = limit.sorted_batches(TRIAL_S)
            tried[f"{limit.graph.name}, batch {batch}"] = answered / seconds
            found.append((answered / seconds, limit, batch))
    _, limit, batch = max(found, key=lambda one: one[0])
    limit.batch = batch
    return limit, tried


def main() -> None:
    texts_file, tokenizer, output, *graphs = sys.argv[1:]
    texts = json.loads(Path(texts_file).read_text("utf-8"))
    limits = [Limit(Path(graph), Path(tokenizer), texts, output) for graph in graphs]
    limit, tried = best(limits)
    one = min(limits, key=lambda each: np.median(each.one_at_a_time(TRIAL_S)))
    settings = f"{limit.graph.name}, batch {limit.batch}; one at a time {one.graph.name}"
    orders: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "answer": lambda order: {"answers": one.answers(order["answer"])},
        "clients": lambda order: measured(one if order["clients"] == 1 else limit, order),
    }
    print(json.dumps({"ready": settings, "tried": tried}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(orders[next(iter(order))](order)), flush=True)


def measured(limit: Limit, order: dict[str, Any]) -> dict[str, Any]:
    """Requests a second, and each one's seconds where they are made one at a time."""
    if order["clients"] > 1:
        answered, seconds = limit.sorted_batches(order["seconds"])
        return {"answered": answered, "seconds": seconds, "took_s": []}
    took = limit.one_at_a_time(order["seconds"])
    return {"answered": len(took), "seconds": sum(took), "took_s": took}


if __name__ == "__main__":
    main()
