"""How well cosine similarity follows the grades people gave to pairs of sentences.

    python bench/similarity/measure.py --folder MINILM          # mean pooling, in this process
    python bench/similarity/measure.py --server localhost:8001  # ensemble_embedding of a running server

`measure` does the same for any function from texts to embeddings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PAIRS = Path(__file__).with_name("pairs.tsv")
COLUMNS = ["grade", "kind", "first", "second"]


@dataclass(frozen=True)
class Pair:
    """Two sentences and how alike their meanings are, from 0 (nothing in common) to 5 (the same)."""

    grade: float
    kind: str
    first: str
    second: str


@dataclass(frozen=True)
class Agreement:
    """Correlation of cosine similarity with the grades, and the mean cosine at each grade."""

    pairs: int
    spearman: float
    pearson: float
    mean_cosine_by_grade: dict[str, float]


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """The graded pairs of a tab-separated file with the header grade, kind, first, second."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    if header.split("\t") != COLUMNS:
        raise ValueError(f"{path}, line 1: want the columns {', '.join(COLUMNS)}, found {header!r}")
    pairs = []
    for number, line in enumerate(lines, start=2):
        try:
            grade, kind, first, second = line.split("\t")
            pairs.append(Pair(float(grade), kind, first, second))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: want a grade and three tab-separated texts") from error
        if not 0 <= pairs[-1].grade <= 5:
            raise ValueError(f"{path}, line {number}: the grade is {grade}; it goes from 0 to 5")
    return pairs


def ranks(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Rank of each value, from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: npt.NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return mean_ranks[inverse]


def measure(embed: Callable[[list[str]], npt.NDArray[np.float32]], pairs: Sequence[Pair]) -> Agreement:
    """Spearman and Pearson correlation, over the pairs, of cosine similarity with the grade.

    `embed` maps n texts to (n, d) embeddings of any length above zero.
    """
    embeddings = np.asarray(embed([text for pair in pairs for text in (pair.first, pair.second)]))
    if embeddings.ndim != 2 or len(embeddings) != 2 * len(pairs):
        raise ValueError(f"want embeddings of shape ({2 * len(pairs)}, d), got {embeddings.shape}")
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (unit[0::2] * unit[1::2]).sum(axis=1)
    grades = np.array([pair.grade for pair in pairs])
    return Agreement(
        pairs=len(pairs),
        spearman=round(float(np.corrcoef(ranks(cosines), ranks(grades))[0, 1]), 4),
        pearson=round(float(np.corrcoef(cosines, grades)[0, 1]), 4),
        mean_cosine_by_grade={
            f"{grade:g}": round(float(cosines[grades == grade].mean()), 3) for grade in np.unique(grades)
        },
    )


def mean_pooling(folder: Path) -> Callable[[list[str]], npt.NDArray[np.float32]]:
    """Embeddings as sentence-transformers makes them from the BERT model in `folder`: (n, hidden size)."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)  # the model card's max_seq_length

    def embed(texts: list[str]) -> npt.NDArray[np.float32]:
        rows = []
        for encoding in tokenizer.encode_batch(texts):
            ids = torch.tensor([encoding.ids])
            with torch.no_grad():
                states = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            rows.append(states[0].mean(dim=0).numpy())
        return np.stack(rows)

    return embed


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=Path, help="a BERT model with its tokenizer.json")
    source.add_argument("--server", help="address of a running server")
    arguments = parser.parse_args()
    if arguments.server is None:
        agreement = measure(mean_pooling(arguments.folder), read_pairs())
    else:
        from tritonzoo import Client

        with Client(arguments.server) as client:
            agreement = measure(client.embed, read_pairs())
    print(json.dumps(asdict(agreement), indent=2))


if __name__ == "__main__":
    main()
