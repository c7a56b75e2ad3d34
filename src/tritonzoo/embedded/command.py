"""The server's command line, with the reason for each flag that is not obvious."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tritonzoo.embedded.layout import Wheel
from tritonzoo.embedded.options import ServeOptions
from tritonzoo.gpu_profiles import GPU_PROFILES
from tritonzoo.repository import MODEL_REPOSITORIES

ADMIN_HEADER = "admin-key"  # of a locked HTTP call; gRPC metadata wants GRPC_ADMIN_HEADER
GRPC_ADMIN_HEADER = f"triton-grpc-protocol-{ADMIN_HEADER}"

# `load` with a file override runs the sender's code, so these are never open, not even on loopback.
LOCKED_APIS = ("model-repository", "shared-memory", "trace", "logging")


def command(
    options: ServeOptions, wheel: Wheel, backends: Path, models: Sequence[str], shm_prefix: str
) -> list[str]:
    """The arguments, the program first; the options of `hidden_options` stand in it by bare name."""
    ports = options.ports
    return [
        str(wheel.server),
        *(f"--model-repository={name}" for name in MODEL_REPOSITORIES),
        f"--backend-directory={backends}",
        f"--cache-directory={wheel.caches}",
        f"--model-config-name={options.profile}",
        f"--http-address={options.host}",
        f"--http-port={ports.http}",
        f"--http-thread-count={max(8, os.cpu_count() or 1)}",
        f"--grpc-address={options.host}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={options.host}",
        f"--metrics-port={ports.metrics}",
        # Without a GPU it would wait for a driver that is not there.
        f"--allow-gpu-metrics={'true' if options.profile in GPU_PROFILES else 'false'}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in models),
        "--disable-auto-complete-config",  # it starts every stub twice; our configurations are complete
        f"--exit-timeout-secs={max(1, round(options.drain_s))}",
        # Names this server's shared memory, so that ours can be told from others' and removed.
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        *([] if options.trace_file is None else _tracing(options.trace_file)),
        *hidden_options(""),
    ]


def _tracing(file: Path) -> list[str]:
    """The trace API, ready and off. Each trace is written at once, to `file` with .0, .1, ... after it.

    The file's name cannot be set over the network.
    """
    return [
        "--trace-config=mode=triton",
        f"--trace-config=triton,file={file}",
        "--trace-config=triton,log-frequency=1",
        "--trace-config=level=OFF",
    ]


def hidden_options(admin_key: str) -> dict[str, str]:
    """Options that carry the admin key, by name: they must not show in the process list."""
    lock = f"{','.join(LOCKED_APIS)}:{ADMIN_HEADER}={admin_key}"
    return {"--http-restricted-api": lock, "--grpc-restricted-protocol": lock}
