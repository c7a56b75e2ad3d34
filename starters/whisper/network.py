"""The forward pass for training: any length of window, and the attentions of the alignment heads.

The modules are those of transformers' WhisperForConditionalGeneration; only the way through them is ours,
since its encoder insists on 30 s. A scene of N frames that lies at frame F of the window gets the position
embeddings F to F + N.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from batches import Batch
from checkpoint import TAUGHT_HEADS
from targets import IGNORED
from torch import nn
from torch.nn import functional as F
from transformers import WhisperForConditionalGeneration
from vocabulary import WORDS

SAID_CLASSES = 1 + 10 * len(WORDS)


@dataclass
class Losses:
    """What is minimised, weighted and added up."""

    tokens: torch.Tensor
    looks: torch.Tensor
    said: torch.Tensor

    def total(self) -> torch.Tensor:
        return self.tokens + 0.5 * self.looks + 0.5 * self.said


class Learner(nn.Module):
    """The network and a head for training alone, which tells from each encoder frame the digit said in it."""

    def __init__(self, model: WhisperForConditionalGeneration, frozen_encoder: bool) -> None:
        super().__init__()
        self.model = model
        self.frozen_encoder = frozen_encoder
        self.said_head = nn.Linear(model.config.d_model, SAID_CLASSES)

    def forward(self, batch: Batch) -> Losses:
        if self.frozen_encoder:
            with torch.no_grad():
                hidden = encoded(self.model, batch.mel, batch.first_frame)
            said = torch.zeros(())
        else:
            hidden = encoded(self.model, batch.mel, batch.first_frame)
            said = F.cross_entropy(
                self.said_head(hidden).flatten(0, 1), batch.said.flatten(), ignore_index=IGNORED
            )
        logits, looks = decoded(self.model, batch.inputs, hidden.repeat(2, 1, 1))
        tokens = F.cross_entropy(
            logits.flatten(0, 1), batch.outputs.flatten(), ignore_index=IGNORED, label_smoothing=0.02
        )
        wanted = batch.looks[:, :, None]  # (scenes, groups, 1, tokens, frames)
        missed = -(wanted * looks).sum((0, 2, 3, 4)) / (
            wanted.sum((0, 2, 3, 4)).clamp(min=1) * looks.shape[2]
        )
        return Losses(tokens, missed.mean(), said)


def encoded(
    model: WhisperForConditionalGeneration, mel: torch.Tensor, first_frame: torch.Tensor
) -> torch.Tensor:
    """Encoder output (scenes, frames, width) of features (scenes, 80, 2 * frames)."""
    encoder = model.model.encoder
    hidden = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
    places = first_frame[:, None] + torch.arange(hidden.shape[1])
    hidden = hidden + encoder.embed_positions.weight[places]
    for layer in encoder.layers:
        normed = layer.self_attn_layer_norm(hidden)
        attention = layer.self_attn
        query, key, value = (
            _heads(project(normed), attention.num_heads)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        hidden = hidden + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        hidden = hidden + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(hidden))))
    return encoder.layer_norm(hidden)


def decoded(
    model: WhisperForConditionalGeneration, tokens: torch.Tensor, hidden: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (scenes, tokens, ids), log attention (scenes, groups, heads, tokens, frames) of TAUGHT_HEADS."""
    decoder = model.model.decoder
    state = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[: tokens.shape[1]]
    looks = {}
    for number, layer in enumerate(decoder.layers):
        attention = layer.self_attn
        normed = layer.self_attn_layer_norm(state)
        query, key, value = (
            _heads(project(normed), attention.num_heads)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        state = state + attention.out_proj(mixed.transpose(1, 2).flatten(2))

        attention = layer.encoder_attn
        query = _heads(attention.q_proj(layer.encoder_attn_layer_norm(state)), attention.num_heads)
        key, value = (
            _heads(project(hidden), attention.num_heads) for project in (attention.k_proj, attention.v_proj)
        )
        log_attention = (query @ key.transpose(2, 3) * attention.head_dim**-0.5).log_softmax(dim=-1)
        looks |= {(number, head): log_attention[:, head] for head in range(attention.num_heads)}
        mixed = log_attention.exp() @ value
        state = state + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        state = state + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(state))))
    return model.proj_out(decoder.layer_norm(state)), torch.stack(
        [torch.stack([looks[head] for head in group], dim=1) for group in TAUGHT_HEADS], dim=1
    )


def _heads(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(scenes, length, width) to (scenes, heads, length, width / heads)."""
    return states.unflatten(2, (heads, -1)).transpose(1, 2)
