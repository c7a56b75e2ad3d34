"""Text to sentiment with transformers' own tokenizer; `tritonzoo golden --record` asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.pull import pull

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run, Tensors
    from tritonzoo.repository import Repository

LABELS = (b"negative", b"positive")
LONGEST = 256  # tokens; texts to record are far shorter, so nothing is cut


def source(repository: Repository, variant: str) -> Run:
    import torch
    from transformers import AutoTokenizer

    model = repository.model("sentiment")
    weights = pull(repository, model, variant)
    network = model.recipe_module.load(*weights)
    tokenizer = AutoTokenizer.from_pretrained(weights[0], local_files_only=True)

    def run(inputs: Tensors) -> Tensors:
        texts = [text.decode() for text in inputs["text"].ravel()]
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        with torch.inference_mode():
            probabilities = network(tokens["input_ids"], tokens["attention_mask"]).numpy()
        label = probabilities.argmax(axis=1)
        return {
            "label": np.array(LABELS, object)[label][:, None],
            "score": probabilities.max(axis=1, keepdims=True),
            "probabilities": probabilities,
        }

    return run
