"""The same libraries behind LitServe, which gathers requests into batches."""

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

APP = Path(__file__).parents[1] / "served" / "litserve_app.py"
SETTINGS = (
    "--batch 32 --wait-ms 5 --processes 1 --threads 2",
    "--batch 16 --wait-ms 5 --processes 2 --threads 1",
    "--batch 64 --wait-ms 10 --processes 1 --threads 2",
    "--batch 16 --wait-ms 5 --processes 2 --threads 1 --fast-queue",
    "--batch 1 --processes 2 --threads 1",
)


@contextmanager
def behind_litserve(
    setup: Setup,
    model: Model,
    requests: Sequence[Made],
    compare: Callable[[int, Reply], float],
    settings: str,
) -> Iterator[Served]:
    """Serve `model`."""
    python, port = setup.environments.python("litserve"), free_port()
    command = [str(python), str(APP), model.task, model.source, str(port), *shlex.split(settings)]
    environment = {"PYTHONPATH": str(setup.root / "src")}
    url = f"http://127.0.0.1:{port}"
    with serving(command, f"{url}/health", setup.log(f"litserve-{model.task}"), environment) as leader:
        yield Served(
            Contender(
                key="litserve",
                title=f"{model.title} behind LitServe",
                role="peer",
                wire="HTTP",
                settings=settings,
                versions=setup.environments.versions("litserve", ("litserve", *model.libraries)),
            ),
            HttpSender(f"{url}/predict"),
            requests,
            lambda: proc.group(leader),
            compare,
        )
