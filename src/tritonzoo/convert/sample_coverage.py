"""Whether a recipe's samples vary what the recipe says varies: a baked-in extent shows nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tritonzoo.errors import RecipeError
from tritonzoo.recipe import Shapes

if TYPE_CHECKING:
    import numpy.typing as npt


def require_coverage(samples: Sequence[Mapping[str, npt.NDArray[Any]]], shapes: Mapping[str, Shapes]) -> None:
    """Refuse samples that leave an input out, go beyond its range, or never vary an axis that varies.

    Raises:
        RecipeError: with the input, the axis and what to yield.
    """
    for name, extents in shapes.items():
        if any(name not in sample for sample in samples):
            raise RecipeError(f"samples() yields no {name}; it must feed every input")
        found = {sample[name].shape for sample in samples}
        wrong = next((shape for shape in found if not _fits(shape, extents)), None)
        if wrong is not None:
            raise RecipeError(
                f"samples() yields {name} of shape {wrong}, which is not between {extents.min} and "
                f"{extents.max}; mend it, or the recipe's shapes"
            )
        for axis in extents.dynamic_axes:
            if len({shape[axis] for shape in found}) < 2:
                raise RecipeError(
                    f"samples() always yields {found.pop()[axis]} in axis {axis} of {name}, which varies "
                    f"from {extents.min[axis]} to {extents.max[axis]} in the recipe's shapes; yield two "
                    f"extents or more, or a graph that takes no other would pass"
                )


def _fits(shape: tuple[int, ...], extents: Shapes) -> bool:
    return len(shape) == len(extents.min) and all(
        low <= extent <= high for low, extent, high in zip(extents.min, shape, extents.max, strict=True)
    )
