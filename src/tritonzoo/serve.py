"""`tritonzoo serve`, `status` and `stop` as a person sees them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.table import Table

from tritonzoo.announce import announce
from tritonzoo.embedded import EmbeddedTriton, ServeOptions, detached
from tritonzoo.embedded.foreground import serve_until_signal
from tritonzoo.embedded.preflight import selected
from tritonzoo.progress import console, counting
from tritonzoo.repository import Repository
from tritonzoo.variants import mixed


def serve(options: ServeOptions, *, is_detached: bool) -> None:
    """Serve a tree until Ctrl-C or, detached, until `tritonzoo stop`."""
    repository, pipelines = Repository(options.root), options.pipelines
    for warning in mixed(repository, selected(options, repository)):
        console.print(f"[yellow]![/] {warning}", soft_wrap=True)
    if is_detached:
        with loading(repository, pipelines) as on_progress:
            state = detached.detach(options, on_progress)
        _announce(repository, options)
        console.print(f"\nserving in the background; its log is {state.log_file}", soft_wrap=True)
        console.print(
            f"`tritonzoo status` shows it, `tritonzoo stop --http-port {options.ports.http}` ends it"
        )
        return
    with contextlib.ExitStack() as showing:
        on_progress = showing.enter_context(loading(repository, pipelines))

        def ready() -> None:
            showing.close()
            _announce(repository, options)
            console.print("\nserving until Ctrl-C")

        serve_until_signal(
            EmbeddedTriton(options),
            on_ready=ready,
            on_stopping=lambda: console.print(
                "stopping: answering what is in flight (Ctrl-C again ends it at once)"
            ),
            on_progress=on_progress,
        )
    console.print("stopped")


@contextlib.contextmanager
def loading(repository: Repository, pipelines: tuple[str, ...]) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar of models loaded; what is yielded is told of each."""
    with counting("loading models", unit="models") as bar:
        task = bar.add_task("starting Triton", total=len(repository.closure(pipelines)))

        def on_progress(loaded: int, total: int, name: str) -> None:
            bar.update(task, completed=loaded, total=total, description=f"loaded {name}")

        yield on_progress


def _announce(repository: Repository, options: ServeOptions) -> None:
    http, grpc, metrics = options.ports.http, options.ports.grpc, options.ports.metrics
    served = [
        model for model in repository.closure(options.pipelines) if model.is_pipeline and model.answers_once
    ]
    announce(repository, served, f"http://{options.host}:{http}", f"{options.host}:{grpc}")
    console.print(
        f"\nready: HTTP {options.host}:{http}, gRPC {options.host}:{grpc}, "
        f"metrics http://{options.host}:{metrics}/metrics",
        soft_wrap=True,
    )


def print_status() -> bool:
    """Print every running server of this user; False when there is none or one is not well."""
    servers = detached.status()
    if not servers:
        console.print("no server is running; start one with `tritonzoo serve`")
    for server in servers:
        state, uptime = server.state, timedelta(seconds=round(server.uptime_s))
        table = Table(title=f"{state.root}  ·  {state.profile}  ·  up {uptime}  ·  pid {state.server_pid}")
        for column in ("pipeline or model", "state", "brought back"):
            table.add_column(column)
        for name, word in server.models.items():
            table.add_row(
                name, word, str(state.restarts.get(name, 0)), style="" if word == "ready" else "red"
            )
        console.print(table)
        ports = ", ".join(f"{name} {state.host}:{port}" for name, port in state.ports.items())
        console.print(f"{ports}\nlog: {state.log_file}", soft_wrap=True)
    return bool(servers) and all(server.is_ready for server in servers)


def stop(http_port: int | None) -> None:
    """Stop the server on `http_port`, or the only one."""
    state = detached.stop(http_port)
    console.print(f"stopped the server on HTTP port {state.ports['http']}")
