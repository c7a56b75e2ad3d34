"""The artifacts that are made from `model.onnx`: fused, fp16 and int8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tritonzoo.convert.fusion import fuse


@dataclass(frozen=True)
class Made:
    """What the ledger says of how an artifact came about."""

    description: str
    left_out: tuple[str, ...] = ()  # layers kept in a higher precision


def fused(plain: Path, target: Path) -> Made | None:
    """The graph with its attention, layer norms and GELUs as single operators; None if it has none."""
    report = fuse(plain, target)
    return Made(f"{plain.name}: {report}") if report.counts else None
