"""What a peer's server computes: inputs to answers, by the libraries that a user would take.

Runs in a peer's own environment. A text is a str, a file its bytes; an answer is what becomes JSON.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Predict = Callable[[Sequence[Any]], list[Answer]]

LABELS = ("negative", "positive")
MAX_TOKENS = 256  # what ours reads of a text


def embedding(folder: str, threads: int) -> Predict:
    """sentence-transformers: `encode`, which sorts a batch by length. Vectors as base64 of float32."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)

    def predict(texts: Sequence[str]) -> list[Answer]:
        vectors = model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        return [{"embedding": base64.b64encode(vector.tobytes()).decode()} for vector in vectors]

    return predict


def sentiment(folder: str, threads: int) -> Predict:
    """transformers: tokenizer and classifier, called without the slower `pipeline` around them."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=True
    ).eval()

    def predict(texts: Sequence[str]) -> list[Answer]:
        batch = tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        with torch.inference_mode():
            probabilities = model(**batch).logits.softmax(dim=-1)
        scores, classes = probabilities.max(dim=-1)
        return [
            {"label": LABELS[index], "score": score}
            for index, score in zip(classes.tolist(), scores.tolist(), strict=True)
        ]

    return predict


def handwriting(folder: str, threads: int) -> Predict:
    """Our network in PyTorch, behind our own image preprocessing."""
    import importlib.util

    import numpy as np
    import torch
    from safetensors.torch import load_file

    from tritonzoo.runtime.image import decode
    from tritonzoo.runtime.letter import letter

    torch.set_num_threads(threads)
    spec = importlib.util.spec_from_file_location("network", Path(folder) / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.HandwritingNet()
    weights = load_file(Path(folder) / "weights.safetensors")
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    network.eval()

    def predict(files: Sequence[bytes]) -> list[Answer]:
        pixels = np.stack([letter(decode(file)) for file in files])
        with torch.inference_mode():
            scores, classes = network(torch.from_numpy(pixels)).max(dim=-1)
        return [
            {"label": module.LETTERS[index], "score": score}
            for index, score in zip(classes.tolist(), scores.tolist(), strict=True)
        ]

    return predict


def vad(folder: str, threads: int) -> Predict:
    """The silero-vad package, over FLAC files of 16 kHz mono; `folder` names which of its networks."""
    import silero_vad
    import soundfile
    import torch

    torch.set_num_threads(threads)
    if folder == "sequence":
        network = silero_vad.load_silero_vad(sequence=True)
    else:
        network = silero_vad.load_silero_vad(onnx=folder == "onnx")

    def segments(file: bytes) -> Answer:
        samples, _ = soundfile.read(io.BytesIO(file), dtype="float32")
        if folder == "sequence":
            found = silero_vad.get_speech_timestamps_sequence(samples, network)
        else:
            found = silero_vad.get_speech_timestamps(torch.from_numpy(samples), network)
        return {"start": [one["start"] for one in found], "end": [one["end"] for one in found]}  # samples

    def predict(files: Sequence[bytes]) -> list[Answer]:
        return [segments(file) for file in files]

    return predict


TASKS: dict[str, Callable[[str, int], Predict]] = {
    "embedding": embedding, "sentiment": sentiment, "handwriting": handwriting, "vad": vad,
}  # fmt: skip
TEXT_TASKS = ("embedding", "sentiment")
