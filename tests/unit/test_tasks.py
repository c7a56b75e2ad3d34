"""Figures in a task's own unit, on models that are functions of a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tritonzoo.tasks import classification, similarity


def probabilities(*rows: tuple[float, ...]):
    return lambda batch: {"probabilities": np.array(rows, dtype=np.float32)}


def test_agreement_and_accuracy_are_shares_of_the_rows() -> None:
    source = probabilities((0.9, 0.1), (0.2, 0.8), (0.6, 0.4), (0.3, 0.7))
    artifact = probabilities((0.8, 0.2), (0.6, 0.4), (0.7, 0.3), (0.1, 0.9))

    figures = classification(source, artifact, [{}], labels=[0, 1, 1, 1])

    assert figures == {
        "label agreement": 75.0,
        "accuracy of the source": 75.0,
        "accuracy": 50.0,
        "labelled samples": 4.0,
    }


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    words = {"[UNK]": 0, "a": 1, "b": 2, "c": 3, "d": 4}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


def test_similarity_is_the_rank_correlation_with_the_grades(tmp_path: Path, tokenizer: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("grade\tkind\tfirst\tsecond\n5\tx\ta\ta\n3\tx\ta\ta b\n1\tx\ta\tb c d\n0\tx\ta\tb\n")

    def bag_of_words(batch):
        counts = np.stack([(batch["input_ids"] == word).sum(axis=1) for word in range(1, 5)], axis=1)
        return {"embedding": counts / np.linalg.norm(counts, axis=1, keepdims=True)}

    def reversed_order(batch):
        bags = bag_of_words(batch)["embedding"]
        signs = np.where(np.arange(len(bags)) % 2, -1, 1)[:, None]  # the second of each pair points away
        return {"embedding": bags * signs}

    figures = similarity(bag_of_words, reversed_order, tokenizer, pairs)

    assert figures["Spearman of the source"] == pytest.approx(94.87, abs=0.01)  # the last two tie at cosine 0
    assert figures["Spearman"] == pytest.approx(-94.87, abs=0.01)
    assert figures["mean cosine"] == pytest.approx(0.0)
