"""The texts that every contender is sent: 5 to 60 words, the same draw in every run."""

from __future__ import annotations

import random

WORDS = (  # common ones, a few rare
    "the of and to in is that it was for on are with as his they at be this from have or by one had not "
    "but what all were when we there can an your which their said if do will each about how up out them "
    "then she many some so these would other into has more her two like him see time could no make than "
    "first been its who now people my made over did down only way find use may water long little very "
    "after words called just where most know river engine violin harvest quarrel lantern parliament "
    "glacier telescope cinnamon orchard hurricane wonderful dreadful charming tedious"
).split()
LEAST, MOST = 5, 60
COUNT = 256


def texts(count: int = COUNT, seed: int = 0) -> list[str]:
    """Lengths spread evenly from LEAST to MOST words, in random order."""
    draw = random.Random(seed)
    lengths = [LEAST + round(index * (MOST - LEAST) / (count - 1)) for index in range(count)]
    draw.shuffle(lengths)
    return [" ".join(draw.choice(WORDS) for _ in range(length)).capitalize() + "." for length in lengths]


def described(found: list[str]) -> str:
    """How many, and of how many words."""
    words = [len(text.split()) for text in found]
    return f"{len(found)} texts of {min(words)} to {max(words)} words"
