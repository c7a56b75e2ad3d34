"""What one embedded server is asked to do: `ServeOptions` and `Ports`."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tritonzoo.errors import ServerError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where the server listens. Defaults are Triton's own."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002

    def __post_init__(self) -> None:
        named = self.named()
        for name, port in named.items():
            if not 1 <= port <= 65535:
                raise ServerError(f"--{name}-port {port}: a port is a number from 1 to 65535")
        if len(set(named.values())) < len(named):
            listed = ", ".join(f"--{name}-port {port}" for name, port in named.items())
            raise ServerError(f"{listed}: each needs a port of its own")

    @classmethod
    def free(cls, host: str = LOOPBACK) -> Ports:
        """Three ports that nobody listens on at this moment."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(3)]
            for one in sockets:
                one.bind((host, 0))
            return cls(*(one.getsockname()[1] for one in sockets))

    def named(self) -> dict[str, int]:
        """Port by name, as in the flag `--<name>-port`."""
        return {"http": self.http, "grpc": self.grpc, "metrics": self.metrics}


@dataclass(frozen=True)
class ServeOptions:
    """One server: which tree, which pipelines of it, where, and how patiently.

    Attributes:
        root: the tree, the folder that holds `model_repository/` and `ensembles/`.
        pipelines: ensembles or models to load, each with its members; none means the whole tree.
        profile: the serving profile, a `configs/<profile>.pbtxt` where a model has one.
        host: the address to listen on. Loopback, because Triton's HTTP port is not safe to expose.
        drain_s: how long `stop` waits for requests in flight before it ends the server all the same.
        start_timeout_s: how long loading may take before `start` gives up.
        log_file: where Triton's own log goes; by default beside the server's other files.
        trace_file: where Triton's trace API, which is off until it is told, shall write; None: there is none.
        allow_unproved: models to serve although their artifact has no green entry in the parity ledger.
    """

    root: Path
    ports: Ports = field(default_factory=Ports)
    pipelines: tuple[str, ...] = ()
    profile: str = "cpu-fp32"
    host: str = LOOPBACK
    drain_s: float = 30.0
    start_timeout_s: float = 300.0
    log_file: Path | None = None
    trace_file: Path | None = None
    allow_unproved: tuple[str, ...] = ()
