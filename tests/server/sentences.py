"""Texts of every length a person sends, made of real words: the same draw in every run."""

from __future__ import annotations

import random

WORDS = (  # common words first, a few rare ones
    "the a of and to in is that it was for on are with as his they at be this from have or by one had not but "
    "what all were when we there can an your which their said if do will each about how up out them then she "
    "many some so these would other into has more her two like him see time could no make than first been its "
    "who now people my made over did down only way find use may water long little very after words called just "
    "where most know get through back much before go good new write our used me man too any day same right look "
    "think also around another came come work three word must because does part even place well such here take "
    "river engine violin harvest quarrel lantern parliament glacier telescope cinnamon orchard hurricane"
).split()


def sentence(words: int, seed: int) -> str:
    """A text of so many words."""
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words)).capitalize() + "."


def mixed(count: int, longest_words: int, seed: int = 0) -> list[str]:
    """`count` texts from one word to `longest_words`, spread evenly over the lengths, in random order."""
    lengths = [1 + round(i * (longest_words - 1) / max(1, count - 1)) for i in range(count)]
    random.Random(seed).shuffle(lengths)
    return [sentence(words, seed=seed * 100_003 + index) for index, words in enumerate(lengths)]
