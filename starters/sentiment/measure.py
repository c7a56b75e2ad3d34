"""How often a classifier is right: on the whole, by length of sentence, and for text as people type it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from batches import padded
from corpus import Example, as_typed
from network import SentimentProbabilities
from tokenizers import Tokenizer

BUCKETS = ((1, 10), (11, 20), (21, 30), (31, 10_000))  # tokens of the corpus, both ends included


class Classifier:
    """Texts to probabilities (n, 2), by a network that ends in a softmax."""

    def __init__(self, network: SentimentProbabilities, tokenizer: Tokenizer) -> None:
        self.network = network
        self.tokenizer = tokenizer

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.network.eval()
        encoded = self.tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        answers = np.zeros((len(texts), 2), dtype=np.float32)
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            ids, mask = padded([encoded[index].ids for index in chosen])
            with torch.no_grad():
                answers[chosen] = self.network(ids, mask).numpy()
        return answers


def accuracy(
    classify: Callable[[Sequence[str]], npt.NDArray[np.float32]], examples: Sequence[Example]
) -> dict[str, float | dict[str, float]]:
    """Shares of right answers of `classify`, which maps texts to probabilities (n, 2).

    `as_is` is on the corpus's tokenized text, `as_typed` on the same sentences as people type them,
    `by_words` on the tokenized text by its number of words, `cross_entropy` the mean of -ln p(label).
    """
    labels = np.array([example.label for example in examples])
    words = np.array([len(example.text.split()) for example in examples])
    probabilities = classify([example.text for example in examples])
    right = probabilities.argmax(axis=1) == labels
    typed_right = classify([as_typed(example.text) for example in examples]).argmax(axis=1) == labels
    by_words = {
        f"{low}-{high}" if high < BUCKETS[-1][1] else f">={low}": round(float(right[chosen].mean()), 4)
        for low, high in BUCKETS
        if (chosen := (words >= low) & (words <= high)).any()
    }
    cross_entropy = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-9, 1.0)).mean()
    return {
        "sentences": len(examples),
        "as_is": round(float(right.mean()), 4),
        "as_typed": round(float(typed_right.mean()), 4),
        "by_words": by_words,
        "cross_entropy": round(float(cross_entropy), 4),
    }
