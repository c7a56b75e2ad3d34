"""Where trtexec can be run from: this machine, TensorRT's Python package, or NVIDIA's container.

All three take the same arguments, so that a build is one command however it is run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonzoo.errors import ConversionError

# Of the same release as the Triton that serves the plan: a plan loads in the TensorRT that built it.
TENSORRT = "10.5.0"
IMAGE = "nvcr.io/nvidia/tensorrt:24.10-py3"
# Debian's packages and NVIDIA's images put it there and not on PATH.
_USUAL_TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")


@dataclass(frozen=True)
class PlanBuilder:
    """One way to run trtexec's arguments."""

    name: str
    program: tuple[str, ...]
    in_container: bool = False

    def command(self, arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
        """The whole command; a container is given `folders` (absolute) under the same paths."""
        if not self.in_container:
            return [*self.program, *arguments]
        mounts = [f"--volume={folder}:{folder}" for folder in dict.fromkeys(folders)]
        user = f"--user={os.getuid()}:{os.getgid()}"  # else the plan would belong to root
        return ["docker", "run", "--rm", "--init", "--gpus=all", user, *mounts, *self.program, *arguments]


TRTEXEC = PlanBuilder("trtexec", ("trtexec",))
PYTHON = PlanBuilder("TensorRT's Python package", (sys.executable, "-m", "tritonzoo.tensorrt.trtexec"))


def container(image: str = IMAGE) -> PlanBuilder:
    """trtexec inside of NVIDIA's TensorRT image."""
    return PlanBuilder(f"the container {image}", (image, "trtexec"), in_container=True)


def find_builder(image: str = IMAGE) -> PlanBuilder:
    """The first of the three that this machine has.

    Raises:
        ConversionError: it has none.
    """
    if shutil.which("trtexec"):
        return TRTEXEC
    if os.access(_USUAL_TRTEXEC, os.X_OK):
        return PlanBuilder("trtexec", (str(_USUAL_TRTEXEC),))
    if importlib.util.find_spec("tensorrt"):
        return PYTHON
    if shutil.which("docker"):
        return container(image)
    raise ConversionError(
        "a TensorRT plan is built on the GPU that serves it, with one of: trtexec on PATH (it comes with "
        f"TensorRT); TensorRT's Python package, of the server's version (pip install tensorrt=={TENSORRT}); "
        f"Docker, to run {image}. None of them is here; --dry-run prints the command to run elsewhere"
    )
