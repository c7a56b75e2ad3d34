"""The libraries that a user would take, behind FastAPI: processes of one model each, a request at a time."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.peers.adapters.model import Model
from bench.peers.contender import Contender, Served
from bench.peers.json_http import HttpSender
from bench.peers.process import serving
from bench.peers.setup import Setup, free_port

from tritonzoo.bench.calls import Made, Reply
from tritonzoo.runtime import proc

APP = Path(__file__).parents[1] / "served"
SETTINGS = ("--workers 2 --threads 1", "--workers 1 --threads 2")


@contextmanager
def behind_fastapi(
    setup: Setup,
    model: Model,
    requests: Sequence[Made],
    compare: Callable[[int, Reply], float],
    settings: str,
    key: str = "fastapi",
) -> Iterator[Served]:
    """Serve `model`."""
    python, port = setup.environments.python("fastapi"), free_port()
    _, workers, _, threads = shlex.split(settings)
    command = [
        *(str(python), "-m", "uvicorn", "fastapi_app:create", "--factory", "--app-dir", str(APP)),
        *("--workers", workers, "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
    ]
    environment = {
        "PEER_TASK": model.task,
        "PEER_MODEL": model.source,
        "PEER_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "PYTHONPATH": str(setup.root / "src"),
    }
    url = f"http://127.0.0.1:{port}"
    with serving(command, f"{url}/health", setup.log(f"{key}-{model.task}"), environment) as leader:
        yield Served(
            Contender(
                key=key,
                title=f"{model.title} behind FastAPI",
                role="peer",
                wire="HTTP",
                settings=settings,
                versions=setup.environments.versions("fastapi", ("fastapi", *model.libraries)),
            ),
            HttpSender(f"{url}/predict"),
            requests,
            lambda: proc.group(leader),
            compare,
        )
