"""Find the smallest set of layers that must keep their precision: ranked first, then grown, then pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tritonzoo.convert.parity import Parity
from tritonzoo.errors import ParityError
from tritonzoo.recipe import Tolerance

T = TypeVar("T")


@dataclass(frozen=True)
class Layer:
    """One node of a graph."""

    name: str
    op_type: str

    def __str__(self) -> str:
        return f"{self.op_type} {self.name}"


def smallest_set(
    ranked: Sequence[T],
    holds: Callable[[frozenset[T]], bool],
    on_step: Callable[[str], None] = lambda step: None,
) -> frozenset[T] | None:
    """The smallest set found for which `holds` answers True; None when not even all of `ranked` will do.

    The most sensitive are taken first, as many as it takes; then whatever can go again goes, in chunks that
    get smaller, until no single one can. So the set is minimal (none of it is superfluous), which is not to
    say that no other set is smaller: that would take 2^n trials. The trials here are some log n plus
    k log k for a set of k. (The pruning is ddmin of Zeller and Hildebrandt, Simplifying and Isolating
    Failure-Inducing Input, IEEE TSE 28(2), 2002, over complements only.)
    """
    known: dict[frozenset[T], bool] = {}

    def check(kept: Sequence[T]) -> bool:
        key = frozenset(kept)
        if key not in known:
            known[key] = holds(key)
            on_step(
                f"with {len(key)} of {len(ranked)} layers kept: {'holds' if known[key] else 'not enough'}"
            )
        return known[key]

    if check(()):
        return frozenset()
    fails, enough = 0, 1
    while not check(ranked[:enough]):
        if enough >= len(ranked):
            return None
        fails, enough = enough, min(2 * enough, len(ranked))
    while enough - fails > 1:
        middle = (fails + enough) // 2
        fails, enough = (fails, middle) if check(ranked[:middle]) else (middle, enough)
    return frozenset(_pruned(list(ranked[:enough]), check))


def within(parity: Parity, tolerance: Tolerance) -> bool:
    """Whether answers are within a tolerance."""
    try:
        parity.judge(tolerance)
    except ParityError:
        return False
    return True


def told(parity: Parity) -> str:
    """The tolerance that would just have passed, for a sentence."""
    return ", ".join(f"{name} {bound:.4g}" for name, bound in parity.needed.items())


def _pruned(kept: list[T], check: Callable[[Sequence[T]], bool]) -> list[T]:
    size = max(len(kept) // 2, 1)
    while True:
        before = len(kept)
        for start in range(len(kept) - size, -size, -size):  # the least sensitive first
            rest = kept[: max(start, 0)] + kept[start + size :]
            if len(rest) < len(kept) and check(rest):
                kept = rest
        if size == 1 and len(kept) == before:
            return kept
        size = max(size // 2, 1)
