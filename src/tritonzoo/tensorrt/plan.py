"""`PlanFromOnnx`: an ONNX file becomes a TensorRT plan for the GPU of this machine.

Networks are strongly typed: every type is taken from the graph, so that a plan computes in the precision that
was measured, with the layers in fp32 that had to stay there. It is what TensorRT 10.5 and 11 both do; the
flags that let the builder choose (--fp16, --int8) were deprecated in 10.12 and are gone from 11.

int8 is explicit quantization: the scales are the graph's QuantizeLinear and DequantizeLinear. TensorRT's own
calibration (--calib, IInt8Calibrator) was deprecated in 10.1 and is gone from 11, its scales are not seen by
any other runtime, and so nobody could measure them before the plan is built.

`best` alone leaves the choice among fp32, fp16 and int8 to TensorRT (10 only), over a quantized graph.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tritonzoo.errors import ConversionError
from tritonzoo.lock import sha256_of
from tritonzoo.tensorrt.build_log import read_build
from tritonzoo.tensorrt.builders import TRTEXEC, PlanBuilder, find_builder
from tritonzoo.tensorrt.graph_faults import graph_faults, load_graph
from tritonzoo.tensorrt.logged_run import run_logged
from tritonzoo.tensorrt.manifest import PlanManifest, manifest_path
from tritonzoo.tensorrt.profile_faults import profile_faults
from tritonzoo.tensorrt.shape_profiles import Profile, by

if TYPE_CHECKING:
    from google.protobuf.message import Message

Precision = Literal["fp32", "fp16", "int8", "best"]

# What trtexec prints when a stage begins, and what to tell whoever waits.
_STAGES = {
    "Start parsing network model": "reading the graph",
    "Finished parsing network model": "timing kernels on the GPU (minutes)",
    "Engine built in": "writing the plan",
}


@dataclass(frozen=True)
class PlanFromOnnx:
    """What a plan is built from, and how.

    Args:
        source: the ONNX file, of the precision that the plan is to have (see the module's docstring).
        target: the plan, such as `1/model.fp16.plan`.
        precision: "fp32", "fp16", "int8" or "best".
        profiles: the shapes that it takes, from `shape_profiles`, numbered from 0; none for a graph without
            dynamic axes, for which trtexec refuses to be told shapes.
        workspace_mib: memory that a layer's kernel may use beside its tensors.
        timing_cache: file with the timings of earlier builds on this GPU; read and written.
        optimization_level: 0 (build fast) to 5 (search long).
        tf32: let fp32 layers use 10 bits of mantissa on Tensor Cores; faster, but no longer fp32.
        version_compatible: also load in later TensorRT releases; slower, and Triton must be told
            (`--backend-config=tensorrt,version-compatible=true`).
        hardware_compatibility: "ampere+": also run on other GPUs from Ampere on; slower.
    """

    source: Path
    target: Path
    precision: Precision
    profiles: Sequence[Profile]
    workspace_mib: int = 2048
    timing_cache: Path | None = None
    optimization_level: int = 3
    tf32: bool = False
    version_compatible: bool = False
    hardware_compatibility: Literal["none", "ampere+"] = "none"

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "fp16", "int8", "best"):
            raise ConversionError(f"no precision {self.precision!r}; there are: fp32, fp16, int8, best")
        if self.workspace_mib <= 0 or self.optimization_level not in range(6):
            raise ConversionError(
                f"workspace_mib must be above 0 and optimization_level 0 to 5; got {self.workspace_mib} and "
                f"{self.optimization_level}"
            )
        if any(set(name) & set(",:*'") for profile in self.profiles for name in profile):
            raise ConversionError(
                "trtexec cannot take input names with , : * or '; rename them at the export"
            )

    def arguments(self) -> list[str]:
        """trtexec's arguments."""
        return [
            f"--onnx={self.source}",
            f"--saveEngine={self.target}",
            *self._typing(),
            f"--memPoolSize=workspace:{self.workspace_mib}",
            *self._options(),
            *self._shapes(),
            "--skipInference",
        ]

    def command(self, builder: PlanBuilder = TRTEXEC) -> list[str]:
        """The whole command, as `--dry-run` prints it and the log repeats it."""
        if not builder.in_container:
            return builder.command(self.arguments(), ())
        absolute = replace(
            self,
            source=self.source.absolute(),
            target=self.target.absolute(),
            timing_cache=self.timing_cache and self.timing_cache.absolute(),
        )
        files = (absolute.source, absolute.target, absolute.timing_cache)
        return builder.command(absolute.arguments(), [file.parent for file in files if file])

    def require_buildable(self, shapes: Profile, config: Message, padded_to: Sequence[int] = ()) -> None:
        """Refuse a graph that TensorRT cannot read, or a plan of it that Triton could not serve.

        Args:
            shapes: what requests may have, from the recipe.
            config: the model's `config.pbtxt`.
            padded_to: the only lengths that arrive, where something before the model pads requests.

        Raises:
            ConversionError: every reason, one sentence each.
        """
        model = load_graph(self.source)
        faults = [
            *graph_faults(model, self.precision),
            *profile_faults(model, self.profiles, shapes, config, padded_to),
        ]
        if faults:
            raise ConversionError("; ".join(f"{self.source.name}: {fault}" for fault in faults))

    def build(
        self,
        log: Path,
        on_step: Callable[[str], None] = lambda step: None,
        builder: PlanBuilder | None = None,
        prove: Callable[[Path, PlanManifest], None] = lambda plan, manifest: None,
    ) -> PlanManifest:
        """Build the plan, describe it in a manifest beside it, and put both in place.

        Whatever goes wrong, the previous plan and its manifest stay as they are; `log` says what happened.

        Args:
            log: all that the builder says, under the command that repeats it.
            on_step: told of each stage.
            builder: how trtexec is run; found when not given.
            prove: given the plan before it is put in place; raises to refuse it.

        Raises:
            ConversionError: nothing here can build a plan, or the build failed.
        """
        builder = builder or find_builder()
        staged = self.target.with_name(f".{self.target.name}.{os.getpid()}.partial")
        staged_manifest = manifest_path(staged)
        shown = shlex.join(self.command(builder))
        on_step(f"starting {builder.name}")
        try:
            for file in (self.target, self.timing_cache):
                if file:
                    file.parent.mkdir(parents=True, exist_ok=True)
            source_sha256 = sha256_of(self.source)  # first, so that a change during the build is noticed
            command = replace(self, target=staged).command(builder)
            run_logged(command, log, shown, _tell_stages(on_step))
            if not staged.is_file() or not staged.stat().st_size:
                raise ConversionError(
                    f"{builder.name} ended without an error and without a plan; all that it said: {log}"
                )
            manifest = self._manifest(staged, source_sha256, shown, builder, log)
            on_step("proving the plan")
            prove(staged, manifest)
            manifest.write(staged)
            staged.replace(self.target)
            staged_manifest.replace(manifest_path(self.target))
        except OSError as error:
            raise ConversionError(f"{error.filename or self.target}: {error.strerror}") from error
        finally:
            staged.unlink(missing_ok=True)
            staged_manifest.unlink(missing_ok=True)
        return manifest

    def _typing(self) -> list[str]:
        if self.precision == "best":
            return ["--best"]
        return ["--stronglyTyped", *([] if self.tf32 else ["--noTF32"])]

    def _options(self) -> list[str]:
        options = {
            f"--timingCacheFile={self.timing_cache}": self.timing_cache is not None,
            f"--builderOptimizationLevel={self.optimization_level}": self.optimization_level != 3,
            "--versionCompatible": self.version_compatible,
            "--hardwareCompatibilityLevel=ampere+": self.hardware_compatibility == "ampere+",
        }
        return [argument for argument, wanted in options.items() if wanted]

    def _shapes(self) -> list[str]:
        arguments = []
        for index, profile in enumerate(self.profiles):
            if len(self.profiles) > 1:
                arguments.append(f"--profile={index}")
            for end in ("min", "opt", "max"):
                spec = ",".join(f"{name}:{by(getattr(extents, end))}" for name, extents in profile.items())
                arguments.append(f"--{end}Shapes={spec}")
        return arguments

    def _manifest(
        self, plan: Path, source_sha256: str, command: str, builder: PlanBuilder, log: Path
    ) -> PlanManifest:
        build = read_build(log)
        return PlanManifest(
            plan_sha256=sha256_of(plan),
            source=self.source.name,
            source_sha256=source_sha256,
            precision=self.precision,
            profiles=tuple(self.profiles),
            gpu=build.gpu,
            tensorrt_version=build.tensorrt_version,
            cuda_version=build.cuda_version,
            version_compatible=self.version_compatible,
            hardware_compatibility=self.hardware_compatibility,
            built_by=builder.name,
            built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            command=command,
        )


def _tell_stages(on_step: Callable[[str], None]) -> Callable[[str], None]:
    """What to do with each line of the log: tell of a stage when it begins, once."""
    awaited = dict(_STAGES)

    def follow(line: str) -> None:
        for marker in [marker for marker in awaited if marker in line]:
            on_step(awaited.pop(marker))

    return follow
