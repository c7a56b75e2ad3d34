"""Sentences to padded batches of like length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import torch
from corpus import Example


def drawn(examples: Sequence[Example], shares: dict[str, float], rng: random.Random) -> list[Example]:
    """This epoch's examples: of each source its share, without repetition."""
    by_source: dict[str, list[Example]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example)
    return [
        example
        for source, members in by_source.items()
        for example in rng.sample(members, round(shares[source] * len(members)))
    ]


def batches(lengths: Sequence[int], batch_size: int, rng: random.Random) -> Iterator[list[int]]:
    """Indices in shuffled batches of like length, so that little is padded."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = 40 * batch_size
    groups = []
    for start in range(0, len(order), pool):
        chosen = sorted(order[start : start + pool], key=lambda index: lengths[index])
        groups += [chosen[at : at + batch_size] for at in range(0, len(chosen), batch_size)]
    rng.shuffle(groups)
    yield from groups


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (batch, longest row) of rows of token ids."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask
