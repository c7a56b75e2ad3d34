"""The server that is measured: one that runs, or the tree's own, served for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.client.endpoint import Endpoint
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions, state
from tritonzoo.embedded.server import COUNTERS
from tritonzoo.errors import BenchError
from tritonzoo.repository import Repository
from tritonzoo.runtime import proc
from tritonzoo.serve import loading


@dataclass(frozen=True)
class Target:
    """Where the server is, and what of it can be seen from here."""

    endpoint: Endpoint
    profile: str = ""  # empty: not known
    pids: Callable[[], list[int]] | None = None  # None: another machine's, or not ours
    counters_folder: Path | None = None
    metrics_url: str = ""
    admin_key: str = ""
    trace_file: Path | None = None  # of the trace API, where it is on
    tree: Repository | None = None  # that it serves


@contextmanager
def target(
    pipeline: str, url: str, protocol: str, profile: str = "cpu-fp32", *, trace_file: Path | None = None
) -> Iterator[Target]:
    """The server at `url`; without one, this tree's `pipeline`, served on free ports until the block ends.

    Raises BenchError for an address that cannot be read, and what serving raises.
    """
    if url:
        yield _running(url, protocol)
        return
    tree = Repository.find()
    tree.model(pipeline)  # an unknown one is told with those that there are, before anything starts
    options = ServeOptions(tree.root, Ports.free(), (pipeline,), profile, trace_file=trace_file)
    triton = EmbeddedTriton(options)
    with loading(tree, (pipeline,)) as on_progress:
        triton.start(on_progress)
    with triton:
        address = triton.http_url if protocol == "http" else triton.grpc_url
        yield Target(
            Endpoint.parse(address, protocol),
            profile,
            lambda: triton.pids,
            triton.counters_folder,
            triton.metrics_url,
            triton.admin_key,
            trace_file,
            tree,
        )


def _running(url: str, protocol: str) -> Target:
    try:
        endpoint = Endpoint.parse(url, None if "://" in url else protocol)
    except ValueError as error:
        raise BenchError(f"--url: {error}") from None
    ours = [one for one in state.running() if endpoint.is_loopback and endpoint.port in one.ports.values()]
    if not ours:
        return Target(endpoint)
    (server, *_) = ours
    return Target(
        endpoint,
        server.profile,
        lambda: proc.group(server.server_pid),
        state.server_path(server.ports["http"]) / COUNTERS,
        f"http://{server.host}:{server.ports['metrics']}/metrics",
        server.admin_key,
        tree=Repository(Path(server.root)),
    )
