"""`tritonzoo demo`: every pipeline served for real, called with its samples, its answers shown."""

from __future__ import annotations

import os
import time

from rich.console import Console

from tritonzoo.client import Client
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.errors import RepositoryError
from tritonzoo.infer import infer
from tritonzoo.progress import console as notices
from tritonzoo.repository import Repository
from tritonzoo.samples import samples
from tritonzoo.serve import loading


def demo() -> bool:
    """Whether every pipeline of the tree answered every one of its samples."""
    repository = Repository.find()
    given = {name: samples(repository, pipeline) for name, pipeline in repository.pipelines.items()}
    for name, inputs in given.items():
        if not inputs:
            raise RepositoryError(f"{name} has no samples; put a few real inputs into data_samples/{name}/")
    triton = EmbeddedTriton(ServeOptions(repository.root, Ports.free()))
    start_s = time.monotonic()
    with loading(repository, ()) as on_progress:
        triton.start(on_progress)
    answered = True
    with triton, Client(triton.grpc_url) as client:
        notices.print(f"Triton is ready after {time.monotonic() - start_s:.1f} s\n")
        for name, inputs in given.items():
            client.infer(name, {inputs[0].tensor: inputs[0].value})  # the first call also pays for warming up
            arguments = [
                sample.text if sample.path is None else os.path.relpath(sample.path) for sample in inputs
            ]
            answered &= infer(name, arguments, client=client, console=Console())
            print()  # noqa: T201  answers are this command's output
    notices.print("[green]✓[/] every pipeline answered" if answered else "[red]✗[/] not all was answered")
    return answered
