"""Text to embedding as sentence-transformers does it; `tritonzoo golden --record` asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.pull import pull

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run, Tensors
    from tritonzoo.repository import Repository


def source(repository: Repository, variant: str) -> Run:
    from sentence_transformers import SentenceTransformer

    (weights,) = pull(repository, repository.model("sentence_transformer"), variant)
    model = SentenceTransformer(str(weights), device="cpu", local_files_only=True)

    def run(inputs: Tensors) -> Tensors:
        texts = [text.decode() for text in inputs["text"].ravel()]
        tokens = [len(model.tokenizer(text)["input_ids"]) for text in texts]
        cut = [[max(count - model.max_seq_length, 0)] for count in tokens]
        return {
            "embedding": model.encode(texts, normalize_embeddings=True, show_progress_bar=False),
            "truncated_tokens": np.array(cut, np.int32),
        }

    return run
