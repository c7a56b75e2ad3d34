"""What else runs on the machine: whoever has our ports, a Docker engine, a GPU driver."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.doctor.finding import Finding, Verdict
from tritonzoo.embedded import preflight
from tritonzoo.embedded.options import LOOPBACK, Ports
from tritonzoo.errors import PreflightError, ServerError
from tritonzoo.tensorrt.gpus import present_gpus

TIMEOUT_S = 10
DRIVER = Path("/proc/driver/nvidia/version")


def ports(wanted: Ports | None = None) -> Iterator[Finding]:
    """The ports that `tritonzoo serve` and docker-compose.yml take where nothing else is said."""
    wanted = wanted or Ports()
    try:
        preflight.check_ports(LOOPBACK, wanted)
    except PreflightError as error:
        says, _, remedy = str(error).rpartition("; ")
        yield Finding("ports", Verdict.NOTE, says, f"{remedy}, for docker-compose in .env")
    else:
        numbers = ", ".join(str(port) for port in wanted.named().values())
        yield Finding("ports", Verdict.FINE, f"{numbers} are free")


def docker_engine() -> Finding:
    """An engine that answers, and one of the two versions of Compose."""
    engine = _said("docker", "version", "--format", "{{.Server.Version}}")
    if engine is None:
        return Finding(
            "Docker",
            Verdict.NOTE,
            "there is no Docker engine that answers",
            "needed for containers only: install docker.io, start it, and join the group docker",
        )
    compose = _said("docker", "compose", "version", "--short") or _said(
        "docker-compose", "version", "--short"
    )
    if compose is None:
        return Finding(
            "Docker", Verdict.NOTE, f"{engine}, without Compose", "install docker-compose, 1.29 or 2"
        )
    return Finding("Docker", Verdict.FINE, f"{engine}, Compose {compose}")


def gpu_driver(driver: Path = DRIVER) -> Finding:
    """A GPU is for NVIDIA's image; without one the cpu profiles serve."""
    try:
        gpus = present_gpus()
    except ServerError as error:
        says, _, remedy = str(error).rpartition("; ")
        return Finding("GPU", Verdict.NOTE, says, remedy)
    if gpus:
        return Finding("GPU", Verdict.FINE, ", ".join(f"{gpu}, driver {gpu.driver_version}" for gpu in gpus))
    if driver.is_file():
        return Finding(
            "GPU",
            Verdict.NOTE,
            "there is a driver, but nvidia-smi shows no GPU",
            "look at CUDA_VISIBLE_DEVICES, and whether the container was started with --gpus all",
        )
    return Finding(
        "GPU", Verdict.NOTE, "none", "needed for the gpu profiles only: an NVIDIA GPU and its driver"
    )


def _said(*command: str) -> str | None:
    """The standard output of a command that succeeds; None where it does not, or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None
