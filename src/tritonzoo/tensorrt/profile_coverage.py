"""Whether a plan's profiles take every shape that requests may have.

Triton answers a request that no profile takes with an error, so a gap is found here rather than by a caller.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tritonzoo.tensorrt.shape_profiles import Profile, by

_Range = tuple[int, int]  # smallest and largest extent
_Axis = tuple[str, int]  # input and axis


def uncovered_shape(
    profiles: Sequence[Profile], shapes: Profile, max_batch_size: int, padded_to: Sequence[int] = ()
) -> str | None:
    """A shape that the configuration lets in and no profile takes, such as "input_ids 1x40"; None: all fit.

    Args:
        profiles: what the plan is built for.
        shapes: what requests may have, from the recipe.
        max_batch_size: of `config.pbtxt`; 0: the first axis is an ordinary one.
        padded_to: the only lengths that arrive, where something before the model pads requests.
    """
    groups = _axes_that_move_together(profiles, shapes, max_batch_size)
    extents = [
        tuple(padded_to) if padded_to and _is_length(region, axes) else _corners(region, ranges)
        for (region, *ranges), axes in groups.items()
    ]
    for point in itertools.product(*extents):
        at = {axis: extent for extent, axes in zip(point, groups.values(), strict=True) for axis in axes}
        if not any(_takes(profile, at) for profile in profiles):
            return ", ".join(
                f"{name} {by(at[name, axis] for axis in range(len(shapes[name].min)))}" for name in shapes
            )
    return None


def _axes_that_move_together(
    profiles: Sequence[Profile], shapes: Profile, max_batch_size: int
) -> dict[tuple[_Range, ...], list[_Axis]]:
    """Axes by their extents in the recipe and in each profile: the length of a text is that of its mask."""
    groups: dict[tuple[_Range, ...], list[_Axis]] = {}
    for name, extents in shapes.items():
        for axis in range(len(extents.min)):
            region = (extents.min[axis], extents.max[axis])
            if max_batch_size and axis == 0:
                region = (1, max_batch_size)
            ranges = ((profile[name].min[axis], profile[name].max[axis]) for profile in profiles)
            groups.setdefault((region, *ranges), []).append((name, axis))
    return groups


def _is_length(region: _Range, axes: Sequence[_Axis]) -> bool:
    return region[0] != region[1] and all(axis > 0 for _, axis in axes)


def _corners(region: _Range, ranges: Sequence[_Range]) -> tuple[int, ...]:
    """Where a profile begins or has just ended: profiles that take these take everything between."""
    low, high = region
    starts = {low, *(start for start, _ in ranges), *(end + 1 for _, end in ranges)}
    return tuple(sorted(extent for extent in starts if low <= extent <= high))


def _takes(profile: Profile, at: Mapping[_Axis, int]) -> bool:
    return all(
        profile[name].min[axis] <= extent <= profile[name].max[axis] for (name, axis), extent in at.items()
    )
