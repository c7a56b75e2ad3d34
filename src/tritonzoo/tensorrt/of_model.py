"""`tritonzoo convert --to tensorrt`: the plan of one model folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tritonzoo.repository import Model, onnx_name
from tritonzoo.tensorrt.manifest import PlanManifest, plan_name
from tritonzoo.tensorrt.plan import PlanFromOnnx, Precision
from tritonzoo.tensorrt.runs import run_plan
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, fixed_profile, one_profile

if TYPE_CHECKING:
    from tritonzoo.convert.artifact import Conversion

# A plan is built from the graph whose parity was proved at that precision; int8 and best read Q/DQ pairs.
SOURCES = {"fp32": "fp32", "fp16": "fp16", "int8": "qdq", "best": "qdq"}


@dataclass(frozen=True)
class PlanShapes:
    """Which shapes a plan takes: the recipe's whole range, fixed ones, or a profile for each bucket."""

    fixed: bool = False
    buckets: tuple[int, ...] = ()


def plan_of(model: Model, precision: str, shapes: PlanShapes) -> PlanFromOnnx:
    """What is built for one model at one precision.

    Raises:
        ConversionError: there is no such precision.
        RecipeError: the buckets do not suit the recipe's shapes.
    """
    extents = model.recipe.shapes
    if shapes.buckets:
        profiles = bucket_profiles(extents, shapes.buckets, fixed=shapes.fixed)
    else:
        profiles = fixed_profile(extents) if shapes.fixed else one_profile(extents)
    folder = Path(os.path.relpath(model.version_folder))  # as a person in this folder would type it
    return PlanFromOnnx(
        source=folder / onnx_name(SOURCES.get(precision, precision)),
        target=folder / plan_name(precision),
        precision=cast(Precision, precision),
        profiles=profiles,
        timing_cache=folder.parent / "logs" / "timing.cache",
    )


def build(conversion: Conversion, plan: PlanFromOnnx, on_step: Callable[[str], None]) -> PlanManifest:
    """Build a plan, compare its answers with the source model's on this GPU, and only then put it in place.

    Raises:
        ConversionError: TensorRT cannot read the graph, nothing here can build a plan, or the build failed.
        ParityError: the plan's answers differ by more than the recipe's tolerance.
    """
    model = conversion.model
    plan.require_buildable(model.recipe.shapes, model.config)

    def prove(staged: Path, manifest: PlanManifest) -> None:
        run = run_plan(staged, manifest.profiles, model.config, logs / f"{plan.target.name}.run.log")
        conversion.reference.compare(run).judge(conversion.tolerance(_held_to(plan.precision)))

    logs = model.folder / "logs"
    logs.mkdir(exist_ok=True)
    return plan.build(logs / f"{plan.target.name}.log", on_step, prove=prove)


def _held_to(precision: str) -> str:
    return "int8" if precision == "best" else precision


def precisions_of(model: Model, wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted precisions that the model's recipe allows, in their order."""
    return tuple(precision for precision in wanted if _held_to(precision) in model.recipe.tolerance)
