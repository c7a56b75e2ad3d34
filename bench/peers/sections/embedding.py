"""ensemble_embedding: text to a vector of unit length, all-MiniLM-L6-v2 for everybody."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from bench.peers import texts as sent
from bench.peers.adapters.infinity import embedding_of
from bench.peers.adapters.model import Model
from bench.peers.references import references, written
from bench.peers.sections.of_texts import TextTask, group_of
from bench.peers.sections.section import Section
from bench.peers.setup import Setup

from tritonzoo.client.transport import Array
from tritonzoo.repository import Repository
from tritonzoo.sources import fetch

PIPELINE = "ensemble_embedding"


def section(setup: Setup) -> Section:
    texts = sent.texts()
    file = written(setup, "texts", texts)
    (source,) = Repository(setup.root).model("sentence_transformer").recipe.sources_of("starter")
    checkpoint = fetch(source, setup.root)
    wanted = np.stack([_vector(one) for one in references(setup, "embedding", str(checkpoint), file)])

    def cosine(index: int, answer: Array) -> float:
        vector = np.asarray(answer, dtype=np.float32).reshape(-1)
        return float(vector @ wanted[index] / np.linalg.norm(vector))

    task = TextTask(
        PIPELINE,
        tokenizer="sentence_tokenizer",
        graph="sentence_transformer",
        output="embedding",
        infinity_task="embedding",
        checkpoint=checkpoint,
        behind=Model(
            "embedding", str(checkpoint), "sentence-transformers", ("sentence-transformers", "torch")
        ),
        agree=cosine,
        read_ours=lambda answer: answer["embedding"],
        read_infinity=embedding_of,
        read_served=_vector,
        read_limit=np.asarray,
    )
    return Section(
        "embedding",
        "Embeddings",
        PIPELINE,
        (1, 16, 64),
        sent.described(texts),
        "the cosine with what sentence-transformers answers",
        {"fp32": 0.9999, "int8": 0.98},
        [group_of(setup, task, texts, file, precision) for precision in ("fp32", "int8")],
    )


def _vector(answer: Mapping[str, str]) -> Array:
    return np.frombuffer(base64.b64decode(answer["embedding"]), dtype=np.float32)
