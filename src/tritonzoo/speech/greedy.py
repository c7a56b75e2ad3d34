"""The plainest way to decode with Whisper's step graph: one window, the likeliest token, again.

What the graphs are measured with. What is served batches, falls back, times its words and stops at the end:
`tritonzoo.runtime.whisper`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[Any]]
    Step = Callable[[Tensors], Tensors]


def empty_caches(cross: Tensors, slots: int) -> dict[str, npt.NDArray[Any]]:
    """`cross_key_0`, `cross_value_0`, ... of some rows, and self-attention caches without a token."""
    caches: dict[str, npt.NDArray[Any]] = dict(cross)
    for name, tensor in cross.items():
        rows, heads, *rest = tensor.shape
        size_by_slots = (rest[0], slots) if name.startswith("cross_key_") else (slots, rest[1])
        caches[name.replace("cross", "self")] = np.zeros((rows, heads, *size_by_slots), np.float32)
    return caches


def keep(caches: Mapping[str, npt.NDArray[Any]], answer: Tensors, row: int, past: int, new: int) -> None:
    """Write what a step gave of one row into its caches, from slot `past` on."""
    for name, tensor in answer.items():
        if name.startswith("new_key_"):
            caches[name.replace("new", "self")][row, :, :, past : past + new] = tensor[row, :, :, :new]
        elif name.startswith("new_value_"):
            caches[name.replace("new", "self")][row, :, past : past + new] = tensor[row, :, :new]


def likeliest(
    step: Step, cross: Tensors, prompt: Sequence[int], count: int, forced: Sequence[int] | None = None
) -> list[int]:
    """The likeliest token after the prompt, and after each of the next ones: `count` in all.

    With `forced` these are what is read in place of the likeliest, so that two graphs are asked the same.
    """
    caches = empty_caches(cross, len(prompt) + count)
    found: list[int] = []
    tokens, past = list(prompt), 0
    while len(found) < count:
        answer = step(
            {
                "input_ids": np.array([tokens], np.int64),
                "past_length": np.array([past], np.int64),
                "new_length": np.array([len(tokens)], np.int64),
                **caches,
            }
        )
        keep(caches, answer, row=0, past=past, new=len(tokens))
        past += len(tokens)
        found.append(int(answer["logits"][0].argmax()))
        tokens = [found[-1] if forced is None else forced[len(found) - 1]]
    return found
