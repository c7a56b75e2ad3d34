"""What a TensorRT plan is: a plan is opaque, tied to one GPU and one TensorRT, and says none of it by itself.

`1/model.fp16.plan` has its manifest in `1/model.fp16.plan.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tritonzoo.errors import RecipeError, RepositoryError
from tritonzoo.lock import write_text
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt.gpus import Gpu


@dataclass(frozen=True)
class PlanManifest:
    """Where a plan runs, which shapes it takes, and what made it."""

    plan_sha256: str
    source: str  # the ONNX file that it was built from, in the same folder
    source_sha256: str
    precision: str
    profiles: tuple[Mapping[str, Shapes], ...]
    gpu: Gpu  # that its kernels were timed on
    tensorrt_version: str
    cuda_version: str  # of the driver; empty where it was not known
    version_compatible: bool
    hardware_compatibility: str  # "none" or "ampere+"
    built_by: str
    built_at: str  # ISO 8601, UTC
    command: str  # repeats the build

    @classmethod
    def read(cls, plan: Path) -> PlanManifest | None:
        """The manifest of a plan; None when it has none.

        Raises:
            RepositoryError: it cannot be read.
        """
        path = manifest_path(plan)
        try:
            fields = json.loads(path.read_text("utf-8"))
            profiles = tuple(
                {
                    name: Shapes(*(tuple(extents[end]) for end in ("min", "opt", "max")))
                    for name, extents in p.items()
                }
                for p in fields.pop("profiles")
            )
            return cls(profiles=profiles, gpu=Gpu(**fields.pop("gpu")), **fields)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecipeError) as error:
            raise RepositoryError(
                f"{path}: not the manifest of a plan ({type(error).__name__}: {error}); build the plan again"
            ) from error

    def write(self, plan: Path) -> None:
        """Replace the manifest of `plan` in one step."""
        write_text(manifest_path(plan), json.dumps(asdict(self), indent=2) + "\n")


def plan_name(precision: str) -> str:
    """The plan of a precision in the version folder."""
    return f"model.{precision}.plan"


def manifest_path(plan: Path) -> Path:
    """Where the manifest of a plan lies."""
    return plan.with_name(f"{plan.name}.json")
