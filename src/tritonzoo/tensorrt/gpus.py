"""Which NVIDIA GPUs and which TensorRT this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import ServerError

_QUERY_TIMEOUT_S = 30  # a GPU that was asleep takes some seconds to answer
_LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/tensorrt/lib")


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU."""

    name: str  # "NVIDIA A10"
    compute_capability: str  # "8.6"
    driver_version: str = ""

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability})"


def present_gpus(environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """The GPUs that a process started here would see, from nvidia-smi; none where there is no driver.

    Raises:
        ServerError: there is a driver, but it does not answer.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and (not visible.strip() or visible.strip().startswith("-")):
        return ()
    asked = ["--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    answer = _nvidia_smi(*asked, *([f"--id={visible}"] if visible else []))
    if answer is None:
        return ()
    rows = [[field.strip() for field in line.split(",")] for line in answer.splitlines() if line.strip()]
    if any(len(row) != 3 for row in rows):
        raise ServerError(
            f"nvidia-smi answers {answer.strip()!r}, which names no GPU; update the NVIDIA driver"
        )
    return tuple(Gpu(*row) for row in rows)


def driver_cuda_version() -> str:
    """The CUDA release that the driver supports, such as "12.6"; empty where it does not say."""
    found = re.search(r"CUDA Version: *([\d.]+)", _nvidia_smi() or "")
    return found[1] if found else ""


def tensorrt_version(
    environment: Mapping[str, str] = os.environ, folders: Iterable[str | Path] = _LIBRARY_FOLDERS
) -> str | None:
    """The TensorRT that a Triton on this machine would load, such as "10.5.0" or "10.5.0.18"; None: none.

    The library's file name (libnvinfer.so.10.5.0) says it; NVIDIA's images also name the build number in
    TRT_VERSION.
    """
    search = [*environment.get("LD_LIBRARY_PATH", "").split(":"), *map(str, folders)]
    versions = [
        found[1]
        for folder in search
        if folder
        for library in sorted(Path(folder).glob("libnvinfer.so.*"))
        if (found := re.search(r"\.so\.(\d+\.\d+\.\d+)$", library.resolve().name))
    ]
    if not versions:
        return None
    named = re.match(r"\d+(\.\d+)+", environment.get("TRT_VERSION", ""))
    return named[0] if named and f"{named[0]}.".startswith(f"{versions[0]}.") else versions[0]


def _nvidia_smi(*arguments: str) -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=_QUERY_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ServerError(
            f"nvidia-smi has not answered within {_QUERY_TIMEOUT_S} s; the driver hangs"
        ) from None
    except OSError as error:
        raise ServerError(f"nvidia-smi cannot be run: {error.strerror}") from error
    if answer.returncode:
        said = (answer.stderr.strip() or answer.stdout.strip() or f"status {answer.returncode}").splitlines()[
            -1
        ]
        raise ServerError(f"nvidia-smi fails: {said}")
    return answer.stdout
