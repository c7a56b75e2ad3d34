"""When each token was said: dynamic time warping over where the decoder looked.

As openai/whisper's timing.py and transformers' `_extract_token_timestamps`: the attention of the alignment
heads, normalised over the tokens, smoothed over time by a median, averaged over the heads; then the cheapest
monotonic path through it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tritonzoo.runtime.tensors import Array

_DIAGONAL, _TOKEN, _FRAME = 0, 1, 2  # one on in both, in tokens, in frames


def token_frames(attention: Sequence[Array], median_width: int) -> NDArray[np.int64]:
    """The frame at which each token begins.

    attention: for each token (heads, frames), from the run that it was chosen after; median_width: odd.
    """
    if not attention:
        return np.zeros(0, np.int64)
    weights = np.stack(attention, axis=1)  # (heads, tokens, frames)
    deviation = weights.std(axis=1, keepdims=True)
    # A single token deviates from nothing.
    weights = (weights - weights.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)
    return warped(-_median_filtered(weights, median_width).mean(axis=0))


def warped(cost: Array) -> NDArray[np.int64]:
    """The column at which the cheapest monotonic path enters each row of `cost` (tokens, frames)."""
    tokens, frames = cost.shape
    steps = _cheapest_steps(cost.astype(np.float64))
    first = np.zeros(tokens, np.int64)
    token, frame = tokens - 1, frames - 1
    while token > 0 or frame > 0:
        if token == 0:
            break
        step = steps[token, frame] if frame > 0 else _TOKEN
        if step == _FRAME:
            frame -= 1
            continue
        first[token] = frame
        token -= 1
        frame -= step == _DIAGONAL
    return first


def _cheapest_steps(cost: NDArray[np.float64]) -> NDArray[np.int8]:
    """The step that leads to each cell on its cheapest path, one anti-diagonal at a time.

    The cells of an anti-diagonal depend on the two before it alone, so each is a few vector operations. Sums
    are kept in float32 and ties go to the frame's step, as in both references, so that paths are theirs.
    """
    tokens, frames = cost.shape
    # Skewed: column d of row i is cell (i, d - i), so an anti-diagonal is a column.
    skewed = np.full((tokens + frames - 1, tokens), np.inf)
    for row in range(tokens):
        skewed[row : row + frames, row] = cost[row]
    steps = np.full((tokens + frames - 1, tokens), _FRAME, np.int8)
    # One more entry in front stands for the row above the first, which costs nothing to start from alone.
    before = np.full(tokens + 1, np.inf, np.float32)
    two_before = before.copy()
    two_before[0] = 0
    for diagonal, costs in enumerate(skewed):
        both, token, frame = two_before[:-1], before[:-1], before[1:]
        is_both = (both < token) & (both < frame)
        is_token = (token < both) & (token < frame)
        step = np.where(is_both, _DIAGONAL, np.where(is_token, _TOKEN, _FRAME))
        cheapest = np.where(is_both, both, np.where(is_token, token, frame))
        steps[diagonal] = step
        two_before = before
        before = np.full(tokens + 1, np.inf, np.float32)
        before[1:] = costs + cheapest
    unskewed = np.empty((tokens, frames), np.int8)
    for row in range(tokens):
        unskewed[row] = steps[row : row + frames, row]
    return unskewed


def _median_filtered(weights: Array, width: int) -> Array:
    """The median over `width` frames around each, the edges mirrored."""
    half = width // 2
    if weights.shape[-1] <= half:
        return weights
    padded = np.pad(weights, ((0, 0), (0, 0), (half, half)), mode="reflect")
    return np.partition(sliding_window_view(padded, width, axis=-1), half, axis=-1)[..., half]
