"""The shapes that a TensorRT plan is built for: one range, one range a length bucket, or fixed lengths.

A plan refuses every shape outside its profiles, and its kernels are chosen for `opt`. On a native backend
only requests of equal length share a batch, so length buckets (to which texts are padded) fill batches and
keep each profile narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tritonzoo.errors import RecipeError
from tritonzoo.recipe import Shapes

Profile = Mapping[str, Shapes]  # input -> extents, batch axis first

# Beyond this, in elements from `min` to `opt` or from `opt` to `max`, one set of kernels no longer suits both
# ends. A rule of thumb: text (1x2 to 128x256) is far above it, a batch of 1 to 32 pictures below.
_WIDE = 16


def one_profile(shapes: Profile) -> tuple[Profile, ...]:
    """The recipe's whole range as a single profile; none for a model of one shape: its graph says it all."""
    return (dict(shapes),) if _any_varies(shapes) else ()


def fixed_profile(shapes: Profile) -> tuple[Profile, ...]:
    """Every axis but the batch fixed at `opt`: the fastest kernels, for requests of that one shape."""

    def fix(extents: Shapes) -> Shapes:
        inner = extents.opt[1:]
        return Shapes(min=(extents.min[0], *inner), opt=extents.opt, max=(extents.max[0], *inner))

    return ({name: fix(extents) for name, extents in shapes.items()},) if _any_varies(shapes) else ()


def bucket_profiles(shapes: Profile, lengths: Sequence[int], *, fixed: bool = False) -> tuple[Profile, ...]:
    """One profile for each length: what is longer than the bucket before, up to it, with `opt` at its end.

    Buckets do not overlap, so that Triton, which takes the profile whose `opt` is nearest, has no choice.

    Args:
        shapes: the recipe's range; its batch extents hold for every bucket.
        lengths: upper ends, ascending, the last one the longest that the recipe allows.
        fixed: build each bucket for exactly its length; requests must then be padded to one of them.

    Raises:
        RecipeError: an input varies in more than one axis besides the batch, or the lengths leave some out.
    """
    axes = {name: _length_axis(name, extents) for name, extents in shapes.items()}
    ends = {
        (extents.min[axis], extents.max[axis])
        for extents, axis in zip(shapes.values(), axes.values(), strict=True)
        if axis is not None
    }
    if len(ends) != 1:
        raise RecipeError(
            "length buckets need inputs that all vary between the same two lengths; the recipe's shapes have "
            f"{len(ends)} such ranges: build one profile for the whole range"
        )
    ((shortest, longest),) = ends
    if (
        not lengths
        or list(lengths) != sorted(set(lengths))
        or lengths[0] < shortest
        or lengths[-1] != longest
    ):
        raise RecipeError(
            f"length buckets {', '.join(map(str, lengths)) or '(none)'}: give them in ascending order, none "
            f"below {shortest}, the last one {longest}, as the recipe's shapes allow"
        )
    lows = (shortest, *(length + 1 for length in lengths[:-1]))
    return tuple(
        {
            name: _at_length(extents, axes[name], length if fixed else low, length)
            for name, extents in shapes.items()
        }
        for low, length in zip(lows, lengths, strict=True)
    )


def wide_range(profiles: Sequence[Profile]) -> str | None:
    """Why buckets or fixed shapes would be faster, where a profile is wide; None where all are narrow."""
    for profile in profiles:
        for name, extents in profile.items():
            low, best, high = (math.prod(ends) for ends in (extents.min, extents.opt, extents.max))
            if max(best / low, high / best) > _WIDE:
                return (
                    f"{name} ranges from {by(extents.min)} over {by(extents.opt)} to {by(extents.max)}, "
                    f"{high // low} times as many elements, and the kernels are chosen for "
                    f"{by(extents.opt)} alone; length buckets or fixed shapes are faster"
                )
    return None


def by(extents: Iterable[int]) -> str:
    """Extents as trtexec writes them: "16x32"."""
    return "x".join(map(str, extents))


def _any_varies(shapes: Profile) -> bool:
    return any(extents.dynamic_axes for extents in shapes.values())


def _length_axis(name: str, extents: Shapes) -> int | None:
    varying = [axis for axis in extents.dynamic_axes if axis > 0]
    if len(varying) > 1:
        raise RecipeError(
            f"length buckets need inputs that vary in one axis besides the batch; {name} varies in "
            f"{len(varying)}: build one profile for the whole range"
        )
    return varying[0] if varying else None


def _at_length(extents: Shapes, axis: int | None, low: int, high: int) -> Shapes:
    def put(ends: tuple[int, ...], length: int) -> tuple[int, ...]:
        return ends if axis is None else (*ends[:axis], length, *ends[axis + 1 :])

    return Shapes(min=put(extents.min, low), opt=put(extents.opt, high), max=put(extents.max, high))
