"""ensemble_sentiment: text to negative or positive, our merged weights for everybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from bench.peers import texts as sent
from bench.peers.adapters.infinity import label_of
from bench.peers.adapters.model import Model
from bench.peers.references import references, written
from bench.peers.sections.of_texts import TextTask, group_of
from bench.peers.sections.section import Section
from bench.peers.setup import Setup

from tritonzoo.repository import Repository
from tritonzoo.sources import fetch

PIPELINE = "ensemble_sentiment"
CHECKPOINT = Path(__file__).parents[1] / "sentiment_checkpoint.py"
LABELS = ("negative", "positive")


def section(setup: Setup) -> Section:
    texts = sent.texts()
    file = written(setup, "texts", texts)
    checkpoint = _checkpoint(setup)
    wanted = [one["label"] for one in references(setup, "sentiment", str(checkpoint), file)]
    task = TextTask(
        PIPELINE,
        tokenizer="sentiment_tokenizer",
        graph="sentiment",
        output="probabilities",
        infinity_task="classification",
        checkpoint=checkpoint,
        behind=Model("sentiment", str(checkpoint), "transformers", ("transformers", "torch")),
        agree=lambda index, label: float(label == wanted[index]),
        read_ours=lambda answer: answer["label"].item().decode(),
        read_infinity=label_of,
        read_served=lambda answer: answer["label"],
        read_limit=lambda probabilities: LABELS[int(np.argmax(probabilities))],
    )
    return Section(
        "sentiment",
        "Sentiment",
        PIPELINE,
        (1, 16),
        sent.described(texts),
        "the share of labels as transformers gives them",
        {"fp32": 1.0, "int8": 0.9},
        [group_of(setup, task, texts, file, precision) for precision in ("fp32", "int8")],
    )


def _checkpoint(setup: Setup) -> Path:
    folder = setup.work / "sentiment-checkpoint"
    if not (folder / "vocab.txt").is_file():  # the last that is written
        sources = Repository(setup.root).model("sentiment").recipe.sources_of("starter")
        base, starter = (fetch(source, setup.root) for source in sources)
        subprocess.run([sys.executable, CHECKPOINT, base, starter, folder], check=True)
    return folder
