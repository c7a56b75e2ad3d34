"""From the logits of one row to tokens and their log-probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]  # (vocabulary)

_BLOCK = 64


def log_normalizer(logits: Logits, scratch: Logits) -> float:
    """log(sum(exp(logits))): a token's logit less this is its log-probability. `scratch` is written over."""
    highest = logits.max()
    np.subtract(logits, highest, out=scratch)
    np.exp(scratch, out=scratch)
    return float(highest + np.log(scratch.sum()))


def sample(logits: Logits, temperature: float, random: np.random.Generator) -> int:
    """A token drawn with the probabilities that softmax(logits / temperature) gives."""
    weights = np.exp((logits - logits.max()).astype(np.float64) / temperature)
    heights = np.cumsum(weights)
    # 'right' steps over tokens of weight 0, whose height is that of the token before.
    token = int(np.searchsorted(heights, random.random() * heights[-1], side="right"))
    return min(token, int(np.flatnonzero(weights)[-1]))


def highest(logits: Logits, count: int) -> NDArray[np.intp]:
    """The `count` tokens of highest logit, the highest first.

    They lie within the `count` blocks of highest maximum: only these are sorted, which at 51865 tokens takes
    a tenth of the time of a partition of them all.
    """
    whole = len(logits) // _BLOCK * _BLOCK
    blocks = logits[:whole].reshape(-1, _BLOCK).max(axis=1)
    chosen = np.argsort(-blocks, kind="stable")[:count]
    in_blocks = (chosen[:, None] * _BLOCK + np.arange(_BLOCK)).reshape(-1)
    candidates = np.concatenate([in_blocks, np.arange(whole, len(logits))])
    # By falling logit, and by token where logits are equal, so that the order never depends on blocks.
    order = np.lexsort((candidates, -logits[candidates]))
    best: NDArray[np.intp] = candidates[order[:count]]
    return best
