"""The artifacts that are made from `model.onnx`: fused, fp16, int8 for a CPU and for TensorRT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tritonzoo.convert.calibrate import Method, quantize_static
from tritonzoo.convert.fusion import fuse
from tritonzoo.convert.half import half
from tritonzoo.convert.quantize import Quantized, quantize_dynamic
from tritonzoo.convert.quantize_rows import quantize_rows

if TYPE_CHECKING:
    from tritonzoo.convert.artifact import Conversion
    from tritonzoo.convert.parity import Parity

TENSORRT_CALIBRATION: Method = "entropy"  # for a model whose recipe says nothing: what TensorRT itself used

AT_EACH_CALL = {"rows": (quantize_rows, "each row"), "dynamic": (quantize_dynamic, "each tensor")}


@dataclass(frozen=True)
class Made:
    """What the ledger says of how an artifact came about."""

    description: str
    left_out: tuple[str, ...] = ()  # layers kept in a higher precision
    parity: Parity | None = None  # where running the artifact here would not show its precision


def fused(plain: Path, target: Path) -> Made | None:
    """The graph with its attention, layer norms and GELUs as single operators; None if it has none."""
    report = fuse(plain, target)
    return Made(f"{plain.name}: {report}") if report.counts else None


def make(kind: str, conversion: Conversion, target: Path, on_step: Callable[[str], None]) -> Made:
    """Write the artifact of one `kind` ("fp16", "int8" or "qdq") to `target`.

    Raises:
        ParityError: the recipe's tolerance does not hold even with every layer left out.
    """
    samples = conversion.reference.samples
    plain, fused_graph = conversion.file("fp32"), conversion.file("fused")
    tolerance, method = conversion.tolerance(kind), conversion.part.options.quantization
    if kind == "fp16":
        mixed = half(
            plain,
            target,
            samples,
            conversion.compare,
            tolerance,
            on_step,
            float32=conversion.part.options.float32,
        )
        kept = tuple(map(str, mixed.kept))
        description = f"{plain.name}: float16 but for {len(kept)} of {mixed.layers} layers"
        # ONNX Runtime computes float16 graphs in float32 on a CPU; `half` measured one that rounds.
        return Made(description, kept, mixed.parity)
    if kind == "int8" and method in AT_EACH_CALL:
        source = fused_graph if fused_graph.is_file() else plain
        quantize, how = AT_EACH_CALL[method]
        quantized = quantize(source, target, samples, conversion.compare, tolerance, on_step)
        return _quantized(source, f"{how} scaled at each call", quantized)
    if method in AT_EACH_CALL:
        method = TENSORRT_CALIBRATION
    quantized = quantize_static(
        plain,
        target,
        samples,
        cast(Method, method),
        conversion.compare,
        tolerance,
        on_step,
        engine="tensorrt" if kind == "qdq" else "onnxruntime",
    )
    return _quantized(plain, f"calibrated by {method} over {len(samples)} batches", quantized)


def _quantized(source: Path, how: str, quantized: Quantized) -> Made:
    left_out = tuple(map(str, quantized.left_out))
    bits = " with weights of 7 bits" if quantized.reduced_range else ""
    description = f"{source.name}: int8{bits}, {how}, but for {len(left_out)} of {quantized.layers} layers"
    return Made(description, left_out)
