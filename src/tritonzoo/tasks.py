"""An artifact measured in its task's own unit, beside its source model: for recipes to use in `task(...)`.

A recipe's `task(reference, candidate, *weights)` gives named figures for the ledger. `reference` and
`candidate` are functions from named arrays to named arrays: the source model and the artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[Any]]
    Run = Callable[[Tensors], Tensors]

TEXTS_AT_A_TIME = 16


def similarity(reference: Run, candidate: Run, tokenizer: Path, pairs: Path) -> dict[str, float]:
    """How embeddings follow people's grades of sentence pairs: Spearman's rank correlation, in points of 100.

    Args:
        tokenizer: a tokenizer.json.
        pairs: tab-separated, with the header grade, kind, first, second.
    """
    rows = [line.split("\t") for line in pairs.read_text("utf-8").splitlines()[1:]]
    grades = np.array([float(row[0]) for row in rows])
    texts = [text for row in rows for text in row[2:4]]
    batches = list(token_batches(texts, tokenizer))
    source, found = (
        np.concatenate([run(batch)["embedding"] for batch in batches]) for run in (reference, candidate)
    )
    return {
        "Spearman of the source": _spearman(_cosines(source), grades),
        "Spearman": _spearman(_cosines(found), grades),
        "mean cosine": round(float((source * found).sum(axis=1).mean()), 6),
    }


def classification(
    reference: Run, candidate: Run, batches: Sequence[Tensors], labels: Sequence[int]
) -> dict[str, float]:
    """How often the artifact gives the source model's label, and each the right one, in percent.

    Both models answer `probabilities` (rows, classes).
    """
    source, found = (
        np.concatenate([run(batch)["probabilities"].argmax(axis=1) for batch in batches])
        for run in (reference, candidate)
    )
    right = np.asarray(labels)
    return {
        "label agreement": round(100 * float((source == found).mean()), 2),
        "accuracy of the source": round(100 * float((source == right).mean()), 2),
        "accuracy": round(100 * float((found == right).mean()), 2),
        "labelled samples": float(len(right)),
    }


def token_batches(texts: Sequence[str], tokenizer: Path, max_length: int = 256) -> Iterator[Tensors]:
    """The texts as `input_ids` and `attention_mask`, (rows, tokens), padded with 0, in their order."""
    from tokenizers import Tokenizer

    rules = Tokenizer.from_file(str(tokenizer))
    rules.enable_truncation(max_length)
    rules.enable_padding(pad_id=0)
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        encodings = rules.encode_batch(list(texts[start : start + TEXTS_AT_A_TIME]))
        yield {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
        }


def _cosines(embeddings: npt.NDArray[Any]) -> npt.NDArray[Any]:
    cosines: npt.NDArray[Any] = (embeddings[0::2] * embeddings[1::2]).sum(axis=1)
    return cosines


def _spearman(found: npt.NDArray[Any], grades: npt.NDArray[Any]) -> float:
    return round(100 * float(np.corrcoef(_ranks(found), _ranks(grades))[0, 1]), 2)


def _ranks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Ranks from 1; equal values share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: npt.NDArray[Any] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return shared
