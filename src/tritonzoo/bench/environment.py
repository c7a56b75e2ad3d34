"""What stands beside the figures: the machine, the versions, the commit, what was served."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonzoo.repository import onnx_name, precision_of

FLAGS = (  # that decide how fast matrices are multiplied
    "avx2 fma avx512f avx512_bf16 avx512_vnni avx_vnni amx_int8 amx_bf16 asimd asimddp i8mm".split()
)
LIBRARIES = (
    "tritonzoo", "nvidia-pytriton", "onnxruntime", "tokenizers", "numpy", "tritonclient", "grpcio", "aiohttp",
)  # fmt: skip
WITH_GRAPHS = ("onnxruntime", "whisper")  # backends whose artifact has a precision


@dataclass(frozen=True)
class Environment:
    """The machine that the generator ran on, and the server."""

    processor: str
    cores: int  # that this process may use
    flags: tuple[str, ...]
    memory_gb: float
    system: str
    load_average: float  # before anything began: 0 on a quiet machine
    versions: Mapping[str, str]
    triton: str
    commit: str  # of the tree; with a + where files differ from it
    profile: str
    precisions: Mapping[str, str]  # by model, of the artifact that is served

    def __str__(self) -> str:
        served = ", ".join(f"{name} {precision}" for name, precision in self.precisions.items())
        what = f"{self.processor}, {self.cores} cores, {' '.join(self.flags) or 'no vector flags known'}"
        return f"{what} · Triton {self.triton}{f' · {served}' if served else ''}"


def environment(
    triton: str, profile: str, configs: Mapping[str, Mapping[str, Any]], tree: Path | None
) -> Environment:
    """The present one; `configs` are those that the server has loaded, by model."""
    told = _cpuinfo()
    flags = (told.get("flags") or told.get("Features") or "").split()
    return Environment(
        processor=told.get("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        flags=tuple(flag for flag in FLAGS if flag in flags),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        load_average=round(os.getloadavg()[0], 2),
        versions={name: version for name in LIBRARIES if (version := _version(name))},
        triton=triton,
        commit=commit(tree) if tree else "",
        profile=profile,
        precisions=precisions(configs),
    )


def precisions(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The precision of every graph that is served, by model."""
    return {
        name: precision_of(str(config.get("default_model_filename") or onnx_name("fp32")))
        for name, config in configs.items()
        if config.get("backend") in WITH_GRAPHS
    }


def commit(tree: Path) -> str:
    """The tree's git commit, with a + where committed files were changed; empty where there is none."""
    try:
        head, changed = (
            subprocess.run(
                ["git", "-C", str(tree), *arguments],
                capture_output=True, text=True, check=True, timeout=30,
            ).stdout.strip()
            for arguments in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no"),
            )
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # no git, or no clone: a tree may be served without
        return ""
    return f"{head}+" if changed else head


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpuinfo(path: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Of the first processor."""
    first = path.read_text("utf-8", "replace").partition("\n\n")[0]
    return dict(re.findall(r"^([^\t:]+)\s*:[ \t]*(.*)$", first, re.MULTILINE))
