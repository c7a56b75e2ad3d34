"""Which version of the ONNX operators a graph is written in, and why."""

from __future__ import annotations

from dataclasses import dataclass

from tritonzoo.errors import RecipeError

ONNXRUNTIME, TENSORRT, LEGACY = "onnxruntime", "tensorrt", "legacy"
DYNAMO_LOWEST = 18  # torch's dynamo exporter writes this one; anything lower it converts down, often badly
KERAS_HIGHEST = 18  # the newest that tf2onnx writes


@dataclass(frozen=True)
class Opsets:
    """The opsets that one kind of runtime is given: `lowest` to `highest`, `default` if none is asked."""

    lowest: int
    default: int
    highest: int
    why: str


OPSETS = {
    ONNXRUNTIME: Opsets(
        lowest=17,
        default=17,
        highest=21,
        why="17 is the first with LayerNormalization as one operator; the ONNX Runtime 1.19 of Triton 24.10 "
        "refuses 22",
    ),
    TENSORRT: Opsets(
        lowest=13,
        default=17,
        highest=17,
        why="13 is the first that quantizes per channel; up to 17 every TensorRT from 8.5 on reads it",
    ),
    LEGACY: Opsets(
        lowest=11,
        default=12,
        highest=12,
        why="runtimes of 2019 and 2020, ONNX Runtime 1.0 to 1.4, read no higher",
    ),
}


def opset_for(target: str, pinned: int | None = None) -> int:
    """The opset to export at for one kind of runtime; a recipe may pin one that the runtime reads.

    - `onnxruntime`: 17 to 21. At 17 a layer norm is one operator instead of nine, and both of torch's
      exporters, tf2onnx and TensorRT meet there. Triton 24.10 carries ONNX Runtime 1.19, which reads opset
      21 and IR 10 and refuses opset 22 and IR 11 (tried with onnxruntime 1.19.2).
    - `tensorrt`: 13 to 17. QuantizeLinear has an axis, hence scales per channel, from 13 on, and axes of
      Squeeze and ReduceSum are inputs. TensorRT 8.5 was the first to read 17 (onnx-tensorrt,
      docs/operators.md of each release); what later ones read besides changes no graph exported here.
    - `legacy`: 11 or 12, for runtimes of 2019 and 2020 (ONNX Runtime 1.0 to 1.4) that cannot be renewed.

    Raises:
        RecipeError: there is no such target, or it does not read the pinned opset.
    """
    if target not in OPSETS:
        raise RecipeError(f"no target {target!r}; there are: {', '.join(OPSETS)}")
    opsets = OPSETS[target]
    if pinned is None:
        return opsets.default
    if not opsets.lowest <= pinned <= opsets.highest:
        raise RecipeError(
            f"opset {pinned} is not for {target}, which takes {opsets.lowest} to {opsets.highest} "
            f"({opsets.why}); pin another in the recipe, or leave it out for {opsets.default}"
        )
    return pinned


def ir_version_of(opset: int) -> int:
    """The oldest ONNX file format that may hold an opset: what every runtime that reads the opset reads.

    Opset 17 gives 8, opset 21 gives 10 (the newest that ONNX Runtime 1.19 reads).
    """
    from onnx import helper

    return int(helper.find_min_ir_version_for([helper.make_opsetid("", opset)]))
