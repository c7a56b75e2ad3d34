"""The silero-vad package in one process, called file by file: a thread for each client, up to the cores.

    python in_process_vad.py FILES NETWORK

Orders and answers as in ../in_process_texts.py. FILES is a folder of FLAC files, asked for in the order of
their names.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from models import vad


def main() -> None:
    folder, network = sys.argv[1:]
    files = [path.read_bytes() for path in sorted(Path(folder).glob("*.flac"))]
    cores = len(os.sched_getaffinity(0))
    models = [vad(network, 1) for _ in range(cores)]  # a network keeps its state: one a thread

    def loop(number: int, source: Any, end_s: float, took: list[float]) -> None:
        while (start_s := time.perf_counter()) < end_s:
            models[number]([files[next(source) % len(files)]])
            took.append(time.perf_counter() - start_s)

    def measured(order: dict[str, Any]) -> dict[str, Any]:
        took: list[float] = []
        start_s, source = time.perf_counter(), itertools.count()
        end_s = start_s + order["seconds"]
        threads = [
            threading.Thread(target=loop, args=(number, source, end_s, took))
            for number in range(min(order["clients"], cores))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"answered": len(took), "seconds": time.perf_counter() - start_s, "took_s": took}

    models[0](files)
    print(json.dumps({"ready": f"{network} network, 1 thread each", "tried": {}}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answered = {"answers": models[0](files[: order["answer"]])} if "answer" in order else measured(order)
        print(json.dumps(answered), flush=True)


if __name__ == "__main__":
    main()
