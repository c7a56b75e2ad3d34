"""Whether a TensorRT plan may be served on this machine; where it may not, its model stays on ONNX.

A plan loads only in the TensorRT release that built it and on GPUs of the same compute capability, unless it
was built to be compatible (NVIDIA TensorRT documentation, "Engine Compatibility").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tritonzoo.errors import RepositoryError, ServerError
from tritonzoo.lock import sha256_of
from tritonzoo.tensorrt.gpus import Gpu, present_gpus, tensorrt_version
from tritonzoo.tensorrt.manifest import PlanManifest

# The one later major release that loads version-compatible plans (TensorRT support matrix, 11.4).
_NEXT_MAJOR = {8: 10, 10: 11}


def why_not(manifest: PlanManifest, gpus: Sequence[Gpu], tensorrt: str | None) -> str | None:
    """Why a plan does not fit these GPUs and this TensorRT; None: it fits.

    Args:
        gpus: those that Triton would put the model on: all that it sees.
        tensorrt: version of the server's library; None: it has none.
    """
    if not gpus:
        return "this machine has no NVIDIA GPU"
    if tensorrt is None:
        return "this server has no TensorRT"
    for gpu in gpus:
        if not _fits_gpu(manifest, gpu):
            return f"it was built for {_meant_for(manifest)}, and this machine has {gpu}"
    if not _fits_tensorrt(manifest, tensorrt):
        later = " or a later one" if manifest.version_compatible else ""
        return f"it was built by TensorRT {manifest.tensorrt_version}{later}, and this server has {tensorrt}"
    return None


def caution(manifest: PlanManifest, gpus: Sequence[Gpu]) -> str | None:
    """Why a plan that fits may still be slower than it could be; None: its kernels were timed on this GPU."""
    others = [gpu for gpu in gpus if gpu.name != manifest.gpu.name]
    if not others:
        return None
    return (
        f"its kernels were timed on {manifest.gpu.name}, and this machine has {others[0].name}; build it here"
    )


def why_not_here(plan: Path) -> str | None:
    """Why `plan` cannot be served on this machine from its folder as it is; None: it can.

    Looks at the manifest, the bytes of the plan and of its ONNX source, the GPUs and the TensorRT library.
    """
    if not plan.is_file():
        return "it was never built"
    try:
        manifest = PlanManifest.read(plan)
        if manifest is None:
            return "it has no manifest, so nobody knows for which GPU it is"
        fault = why_not(manifest, present_gpus(), tensorrt_version())
    except (RepositoryError, ServerError) as error:
        return str(error)
    return fault or _changed(manifest, plan)


def left_on_onnx(model: str, plan: Path, reason: str, onnx: str, rebuild: str) -> str:
    """The line for the log when a model is served from ONNX in place of its plan.

    Args:
        model: its name.
        plan: what was asked for.
        reason: from `why_not_here`.
        onnx: the file that serves instead.
        rebuild: the command that builds the plan here.
    """
    return (
        f"{model}: {plan.name} is not served: {reason}. {onnx} serves instead. Build the plan here: {rebuild}"
    )


def _changed(manifest: PlanManifest, plan: Path) -> str | None:
    if sha256_of(plan) != manifest.plan_sha256:
        return "its bytes are not those that its manifest describes"
    source = plan.with_name(manifest.source)
    if source.is_file() and sha256_of(source) != manifest.source_sha256:
        return f"{source.name} has changed since it was built"
    return None


def _fits_gpu(manifest: PlanManifest, gpu: Gpu) -> bool:
    if manifest.hardware_compatibility == "ampere+":
        return _numbers(gpu.compute_capability) >= (8, 0)
    return gpu.compute_capability == manifest.gpu.compute_capability


def _meant_for(manifest: PlanManifest) -> str:
    if manifest.hardware_compatibility == "ampere+":
        return "GPUs of compute capability 8.0 and up"
    return str(manifest.gpu)


def _fits_tensorrt(manifest: PlanManifest, tensorrt: str) -> bool:
    built, here = _numbers(manifest.tensorrt_version), _numbers(tensorrt)
    known = min(len(built), len(here))  # a library's file name lacks the build number
    if not manifest.version_compatible:
        return built[:known] == here[:known]
    return here[0] in (built[0], _NEXT_MAJOR.get(built[0])) and here[:known] >= built[:known]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
