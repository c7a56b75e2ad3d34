"""infinity-emb: its own server, with its torch engine or with ONNX Runtime (its engine `optimum`)."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from bench.peers.contender import Contender, Served
from bench.peers.json_http import JSON, HttpSender
from bench.peers.process import serving
from bench.peers.setup import Setup, free_port

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.client.transport import Array
from tritonzoo.runtime import proc

Engine = Literal["torch", "optimum"]
EXPORT = Path(__file__).parents[1] / "export_for_infinity.py"
DTYPE = {"fp32": "float32", "int8": "int8"}
SETTINGS: dict[Engine, tuple[str, ...]] = {  # tried before they are compared with; without a trial, the first
    "torch": (
        "--batch-size 32 --no-compile",
        "--batch-size 16 --no-compile",
        "--batch-size 64 --no-compile",
        "--batch-size 32 --compile",
    ),
    "optimum": ("--batch-size 16", "--batch-size 8", "--batch-size 32", "--batch-size 64"),
}


@contextmanager
def infinity(
    setup: Setup,
    engine: Engine,
    precision: str,
    task: Literal["embedding", "classification"],
    checkpoint: Path,
    texts: Sequence[str],
    compare: Callable[[int, Reply], float],
    settings: str,
) -> Iterator[Served]:
    """Serve `checkpoint`, a folder of transformers, at a precision, for `texts`."""
    python, port = setup.environments.python("infinity"), free_port()
    folder = checkpoint if engine == "torch" else exported(setup, checkpoint, task) / DTYPE[precision]
    command = [
        *(str(python.with_name("infinity_emb")), "v2", "--model-id", str(folder), "--served-model-name", "m"),
        *("--engine", engine, "--device", "cpu", *shlex.split(settings), "--host", "127.0.0.1"),
        *("--port", str(port), "--log-level", "warning", "--no-bettertransformer"),
        *(("--dtype", DTYPE[precision]) if engine == "torch" else ("--pooling-method", "mean")),
    ]
    url = f"http://127.0.0.1:{port}"
    path = "embeddings" if task == "embedding" else "classify"
    asked = {"encoding_format": "base64"} if task == "embedding" else {}
    if task == "classification" and engine == "optimum":
        command.append("--no-model-warmup")  # whose text is longer than the network reads, and is not cut
    log = setup.log(f"infinity-{engine}-{precision}-{task}")
    with serving(command, f"{url}/health", log) as leader:
        libraries = ("infinity-emb", "torch" if engine == "torch" else "onnxruntime", "transformers")
        yield Served(
            Contender(
                key=f"infinity-{engine}",
                title=f"infinity-emb, {'torch' if engine == 'torch' else 'ONNX'} engine",
                role="peer",
                wire="HTTP",
                settings=settings,
                versions=setup.environments.versions("infinity", libraries),
            ),
            HttpSender(f"{url}/{path}"),
            [Made(json.dumps({"model": "m", "input": [text], **asked}).encode(), JSON) for text in texts],
            lambda: proc.group(leader),
            compare,
        )


def exported(setup: Setup, checkpoint: Path, task: str) -> Path:
    """The checkpoint's graphs as the engine `optimum` takes them; made once."""
    folder = setup.work / f"infinity-{task}"
    done = folder / "done"
    if not done.is_file():
        python = setup.environments.python("infinity")
        subprocess.run([python, EXPORT, checkpoint, folder, "--task", task], check=True)
        done.touch()
    return folder


def embedding_of(reply: Reply) -> Array:
    """The vector in an answer of /embeddings."""
    return np.frombuffer(base64.b64decode(json.loads(reply.body)["data"][0]["embedding"]), dtype=np.float32)


def label_of(reply: Reply) -> str:
    """The most probable label in an answer of /classify."""
    (scores,) = json.loads(reply.body)["data"]
    return str(max(scores, key=lambda one: float(one["score"]))["label"])
