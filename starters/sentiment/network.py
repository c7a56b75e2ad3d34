"""The sentiment classifier: a MiniLM encoder with our LoRA adapter merged in, and a small head."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel
from torch import nn
from transformers import BertModel

LABELS = ("negative", "positive")


class SentimentNetwork(nn.Module):
    """Token ids to two logits.

    The head reads the first token and the mean of all tokens side by side: the base model was trained so
    that its mean carries the meaning of a sentence, while the first token is free to gather what the
    mean washes out, such as one "not" in a long sentence.
    """

    def __init__(self, encoder: BertModel, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * encoder.config.hidden_size, len(LABELS))

    def features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What the head reads, (batch, 2 * hidden), from int64 ids and mask of (batch, sequence)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, sequence, 1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
        return torch.cat([states[:, 0], mean], dim=-1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2), ordered as `LABELS`."""
        return self.head(self.dropout(self.features(input_ids, attention_mask)))


class SentimentProbabilities(nn.Module):
    """`SentimentNetwork` with its softmax: what is exported and served."""

    def __init__(self, network: SentimentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Probabilities (batch, 2), ordered as `LABELS`; every row sums to 1."""
        return self.network(input_ids, attention_mask).softmax(dim=-1)


def from_base(base: Path, dropout: float = 0.1) -> SentimentNetwork:
    """The network before training: the pretrained encoder in `base` and an untrained head.

    `base` is a folder with `config.json` and `model.safetensors` of a BERT encoder.
    """
    for name in ("config.json", "model.safetensors"):
        if not (base / name).is_file():
            raise FileNotFoundError(f"{base} has no {name}; give the folder of all-MiniLM-L6-v2")
    encoder = BertModel.from_pretrained(base, local_files_only=True, dtype=torch.float32)
    encoder.pooler = None  # a dense layer of BERT's first pretraining, which the base model does not use
    return SentimentNetwork(encoder, dropout)


def load(base: Path, adapter: Path) -> SentimentProbabilities:
    """The trained classifier in eval mode: adapter merged into the encoder, softmax inside.

    `adapter` is a folder in peft's own format (`adapter_config.json`, `adapter_model.safetensors`); it
    holds the head as well.
    """
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / name).is_file():
            raise FileNotFoundError(f"{adapter} has no {name}; train it with starters/sentiment/train.py")
    network = PeftModel.from_pretrained(from_base(base), adapter).merge_and_unload()
    return SentimentProbabilities(network).eval()
