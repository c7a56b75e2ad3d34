"""The smallest set of layers to keep: what it holds, that none of it is superfluous, how few trials it took."""

from __future__ import annotations

import numpy as np
import pytest

from tritonzoo.convert.sensitivity import smallest_set

LAYERS = [f"layer{i}" for i in range(64)]


@pytest.mark.parametrize("culprits", [{0}, {63}, {3, 4}, {0, 63}, {1, 17, 40, 41, 62}, set(range(64))])
def test_it_is_just_the_culprits(culprits: set[int]) -> None:
    needed = {LAYERS[i] for i in culprits}
    assert smallest_set(LAYERS, lambda kept: kept >= needed) == needed


def test_nothing_is_kept_where_nothing_is_needed() -> None:
    assert smallest_set(LAYERS, lambda kept: True) == frozenset()


def test_none_where_not_even_all_will_do() -> None:
    assert smallest_set(LAYERS, lambda kept: False) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_single_layer_of_it_is_superfluous(seed: int) -> None:
    costs = dict(zip(LAYERS, np.random.default_rng(seed).exponential(size=64), strict=True))

    def holds(kept: frozenset[str]) -> bool:
        return sum(cost for name, cost in costs.items() if name not in kept) < 40

    found = smallest_set(LAYERS, holds)
    assert found is not None and holds(found)
    assert not any(holds(found - {name}) for name in found)


def test_with_a_good_ranking_few_trials_are_enough() -> None:
    trials: list[frozenset[str]] = []

    def holds(kept: frozenset[str]) -> bool:
        trials.append(kept)
        return kept >= {"layer0", "layer1", "layer2"}

    smallest_set(LAYERS, holds)
    assert len(trials) == len(set(trials)) <= 12
