"""What trtexec's log says of the build: on which GPU and by which TensorRT."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import ConversionError, ServerError
from tritonzoo.tensorrt.gpus import Gpu, driver_cuda_version, present_gpus


@dataclass(frozen=True)
class Build:
    """Where a plan was built."""

    gpu: Gpu
    tensorrt_version: str
    cuda_version: str  # of the driver; empty where it does not say


def read_build(log: Path) -> Build:
    """The GPU and the TensorRT of a finished build; what the log leaves out is asked of the driver.

    Raises:
        ConversionError: neither says; such a plan could not be told from one for another GPU.
    """
    text = log.read_text("utf-8")
    version = tensorrt_version_in(text)
    if version is None:
        raise ConversionError(f"{log} does not say which TensorRT built the plan; its manifest needs that")
    try:
        present = present_gpus()
        cuda_version = driver_cuda_version()
    except ServerError as error:
        raise ConversionError(f"the plan was built, but {error}; its manifest needs the GPU") from error
    name = re.search(r"Selected Device: (.+)", text)
    capability = re.search(r"Compute Capability: (\d+\.\d+)", text)
    if name and capability:
        driver = next((gpu.driver_version for gpu in present if gpu.name == name[1].strip()), "")
        return Build(Gpu(name[1].strip(), capability[1], driver), version, cuda_version)
    if present:
        return Build(present[0], version, cuda_version)  # TensorRT builds on device 0 unless told otherwise
    raise ConversionError(
        f"neither {log} nor nvidia-smi says on which GPU the plan was built; its manifest needs that"
    )


def tensorrt_version_in(text: str) -> str | None:
    """From "[TensorRT v100500] [b18]", which opens trtexec's log: "10.5.0.18"; None where it is not there."""
    found = re.search(r"\[TensorRT v(\d+)\](?: \[b(\d+)\])?", text)
    if found is None:
        return None
    number = int(found[1])
    # v100500 is 10.05.00, and until TensorRT 9 v8601 was 8.6.01.
    if number >= 100_000:
        parts = (number // 10_000, number // 100 % 100, number % 100)
    else:
        parts = (number // 1000, number // 100 % 10, number % 100)
    return ".".join(str(part) for part in (*parts, found[2]) if part is not None)
