"""Realistic inputs for recipes to yield from `samples(rng)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

FIRST_WORD, LAST_WORD = 1_000, 30_000  # ids of ordinary words in BERT's uncased vocabulary and MPNet's
TEXT_BATCHES = ((2, 17), (1, 2), (1, 9), (8, 33), (16, 64), (4, 128), (2, 256))  # rows, tokens of the longest


def token_batches(rng: np.random.Generator) -> Iterator[dict[str, npt.NDArray[np.int64]]]:
    """Batches of tokens as texts give them: many short, few long, each row with its own length.

    Yields `input_ids` and `attention_mask`, both (rows, tokens); padding is 0 in both.
    """
    for rows, longest in TEXT_BATCHES:
        lengths = rng.integers(2, longest + 1, size=rows)
        lengths[0] = longest
        attention_mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        input_ids = rng.integers(FIRST_WORD, LAST_WORD, size=(rows, longest)) * attention_mask
        yield {"input_ids": input_ids, "attention_mask": attention_mask}
