"""Model trees of well-known architectures with random weights, which say nothing but compute everything."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritonzoo.repository import Model, Repository

MODELS = Path(__file__).parent / "models"
_WEIGHTS_SEED = 0


@dataclass(frozen=True)
class Architecture:
    """One architecture at its published size, and how to shrink it to a size that exports in a second."""

    title: str
    folder: str  # in `models/`
    config: str  # class of transformers
    model: str  # class of transformers
    real: Mapping[str, Any] = field(default_factory=dict)  # what differs from the config class's defaults
    small: Mapping[str, Any] = field(default_factory=dict)


_SMALL_BERT = {
    "vocab_size": 1000, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64,
}  # fmt: skip
_BERT_MINI = {  # google/bert_uncased_L-4_H-256_A-4
    "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024,
}  # fmt: skip
_SMALL_WAV2VEC2 = {
    **_SMALL_BERT, "vocab_size": 32, "conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
_SMALL_WHISPER = {
    "vocab_size": 1000, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 3, "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip
_WHISPER_SMALL = {  # openai/whisper-small
    "vocab_size": 51_865, "d_model": 768, "encoder_layers": 12, "decoder_layers": 12,
    "encoder_attention_heads": 12, "decoder_attention_heads": 12, "encoder_ffn_dim": 3072,
    "decoder_ffn_dim": 3072,
}  # fmt: skip

ARCHITECTURES = (
    Architecture("BERT mini", "text_encoder", "BertConfig", "BertModel", _BERT_MINI, _SMALL_BERT),
    Architecture("BERT base", "text_encoder", "BertConfig", "BertModel", {}, _SMALL_BERT),
    Architecture(
        "MPNet base",
        "text_encoder",
        "MPNetConfig",
        "MPNetModel",
        {"vocab_size": 30_527, "max_position_embeddings": 514},  # sentence-transformers/all-mpnet-base-v2
        {**_SMALL_BERT, "max_position_embeddings": 514},
    ),
    Architecture(
        "DistilBERT",
        "text_classifier",
        "DistilBertConfig",
        "DistilBertForSequenceClassification",
        {},
        {"vocab_size": 1000, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    Architecture(
        "wav2vec 2.0 base, CTC",
        "wav2vec2_ctc",
        "Wav2Vec2Config",
        "Wav2Vec2ForCTC",
        {},
        _SMALL_WAV2VEC2,
    ),
    Architecture(
        "Whisper small, encoder",
        "whisper_encoder",
        "WhisperConfig",
        "WhisperModel",
        _WHISPER_SMALL,
        _SMALL_WHISPER,
    ),
)


def write_tree(root: Path, architecture: Architecture, *, small: bool) -> tuple[Repository, Model]:
    """A tree of one model whose random weights lie in `starters/`, ready for `tritonzoo convert`."""
    import torch
    import transformers

    weights = root / "starters" / architecture.folder
    folder = root / "model_repository" / architecture.folder
    for path in (weights, root / "ensembles"):
        path.mkdir(parents=True, exist_ok=True)
    shutil.copytree(MODELS / architecture.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    torch.manual_seed(_WEIGHTS_SEED)
    config = getattr(transformers, architecture.config)(
        **(architecture.small if small else architecture.real)
    )
    getattr(transformers, architecture.model)(config).save_pretrained(weights)
    repository = Repository(root)
    return repository, repository.model(architecture.folder)
