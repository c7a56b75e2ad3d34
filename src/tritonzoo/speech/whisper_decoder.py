"""Whisper's decoder as two graphs over caches that the caller keeps.

`CrossCache` turns one window's encoding into the keys and values of every layer's cross-attention, once.
`DecoderStep` reads new tokens against these and against a cache of the tokens before them, whose rows may be
of different lengths. It gives back only what is new of that cache, so that nothing is copied from step to
step: the caller writes the new columns into its buffers and binds the same buffers again.

Radford et al., arXiv:2212.04356; the reference is transformers' `WhisperForConditionalGeneration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration
    from transformers.models.whisper.modeling_whisper import WhisperAttention, WhisperDecoderLayer

# Added to the score of a slot that holds nothing: exp() of it is 0 in float32 as in float16.
_MASKED = -1e4

CACHES_PER_LAYER = ("self_key", "self_value", "cross_key", "cross_value")


class CrossCache(torch.nn.Module):
    """`encoded` (windows, positions, width) to each layer's keys and values.

    In turn for every layer `cross_key` (windows, heads, size, positions) and `cross_value` (windows, heads,
    positions, size): as the products of a step read them, without a transpose.
    """

    def __init__(self, checkpoint: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.attentions = torch.nn.ModuleList(layer.encoder_attn for layer in checkpoint.get_decoder().layers)

    def forward(self, encoded: torch.Tensor) -> tuple[torch.Tensor, ...]:
        caches = []
        for attention in self.attentions:
            heads, size = attention.num_heads, attention.head_dim
            keys = _split(attention.k_proj(encoded), heads, size)
            values = _split(attention.v_proj(encoded), heads, size)
            caches += [keys.permute(0, 2, 3, 1), values.transpose(1, 2)]
        return tuple(caches)


class DecoderStep(torch.nn.Module):
    """New tokens, and the caches of what came before, to the logits of what comes next.

    Inputs: `input_ids` (rows, tokens), padded on the right with anything; `past_length` (rows), how many
    slots of the cache a row has filled; `new_length` (rows), how many of its new tokens are real; and for
    each layer `self_key` (rows, heads, size, slots), `self_value` (rows, heads, slots, size), `cross_key` and
    `cross_value`. Slots from `past_length` on are not looked at, so they may hold anything finite.

    Outputs: `logits` (rows, vocabulary) after each row's last real token; `cross_attention` (rows, alignment
    heads, tokens, positions), each summing to 1 over the positions; and for each layer `new_key` (rows,
    heads, size, tokens) and `new_value` (rows, heads, tokens, size), for the slots from `past_length` on.
    """

    def __init__(
        self, checkpoint: WhisperForConditionalGeneration, alignment_heads: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__()
        decoder = checkpoint.get_decoder()
        self.embed_tokens = decoder.embed_tokens
        self.positions = decoder.embed_positions.weight
        heads_of = {
            index: [head for layer, head in alignment_heads if layer == index]
            for index in range(len(decoder.layers))
        }
        self.layers = torch.nn.ModuleList(
            _Layer(layer, heads_of[index]) for index, layer in enumerate(decoder.layers)
        )
        self.layer_norm = decoder.layer_norm
        # Embedding and projection share a weight, which a quantized graph needs once as float, once as int8.
        self.projection = torch.nn.Parameter(checkpoint.get_output_embeddings().weight.detach().T.clone())
        by_layer = sorted(range(len(alignment_heads)), key=lambda index: alignment_heads[index][0])
        self.register_buffer("order", torch.argsort(torch.tensor(by_layer)), persistent=False)
        self.is_ordered = by_layer == sorted(by_layer)

    def forward(
        self,
        input_ids: torch.Tensor,
        past_length: torch.Tensor,
        new_length: torch.Tensor,
        *caches: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        tokens = torch.arange(input_ids.shape[1], device=input_ids.device)
        count = caches[0].shape[3]  # of every layer: read once
        slots = torch.arange(count, device=input_ids.device)
        hidden = self.embed_tokens(input_ids) + self.positions[past_length.unsqueeze(1) + tokens]
        # (rows, 1, tokens, slots + tokens): slots that are filled, then new tokens up to this one
        is_filled = (slots < past_length.unsqueeze(1)).unsqueeze(1).expand(-1, tokens.shape[0], -1)
        is_before = (tokens <= tokens.unsqueeze(1)).unsqueeze(0).expand(input_ids.shape[0], -1, -1)
        bias = torch.cat([is_filled, is_before], dim=-1).logical_not().unsqueeze(1) * _MASKED
        new, attention = [], []
        for index, layer in enumerate(self.layers):
            first = index * len(CACHES_PER_LAYER)
            hidden, weights, *kept = layer(
                hidden, bias, count, *caches[first : first + len(CACHES_PER_LAYER)]
            )
            new += kept
            attention += weights
        last = (new_length - 1).view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])
        logits = torch.matmul(self.layer_norm(hidden.gather(1, last)[:, 0]), self.projection)
        aligned = torch.cat(attention, dim=1)
        return logits, aligned if self.is_ordered else aligned[:, self.order], *new


class _Layer(torch.nn.Module):
    """One layer of the decoder; query, key and value of the self-attention are one product."""

    def __init__(self, layer: WhisperDecoderLayer, alignment_heads: Sequence[int]) -> None:
        super().__init__()
        own, cross = layer.self_attn, layer.encoder_attn
        self.heads, self.size = own.num_heads, own.head_dim
        self.self_norm, self.cross_norm = layer.self_attn_layer_norm, layer.encoder_attn_layer_norm
        self.final_norm, self.activation = layer.final_layer_norm, layer.activation_fn
        self.query_key_value = _joined(_scaled_query(own), own.k_proj, own.v_proj)
        self.self_out, self.cross_out = own.out_proj, cross.out_proj
        self.cross_query = _scaled_query(cross)
        self.widen, self.narrow = layer.fc1, layer.fc2
        self.alignment_heads = tuple(alignment_heads)

    def forward(
        self,
        hidden: torch.Tensor,
        bias: torch.Tensor,
        slots: int,
        self_key: torch.Tensor,
        self_value: torch.Tensor,
        cross_key: torch.Tensor,
        cross_value: torch.Tensor,
    ) -> tuple[torch.Tensor | list[torch.Tensor], ...]:
        joined = _split(self.query_key_value(self.self_norm(hidden)), 3 * self.heads, self.size)
        query, key, value = joined.transpose(1, 2).split(
            self.heads, dim=1
        )  # each (rows, heads, tokens, size)
        new_key = key.transpose(2, 3)
        scores = torch.cat([torch.matmul(query, self_key), torch.matmul(query, new_key)], dim=-1) + bias
        weights = scores.softmax(dim=-1)
        heard = torch.matmul(weights[..., :slots], self_value) + torch.matmul(weights[..., slots:], value)
        hidden = hidden + self.self_out(self._merged(heard))
        query = _split(self.cross_query(self.cross_norm(hidden)), self.heads, self.size).transpose(1, 2)
        weights = torch.matmul(query, cross_key).softmax(dim=-1)  # (rows, heads, tokens, positions)
        hidden = hidden + self.cross_out(self._merged(torch.matmul(weights, cross_value)))
        hidden = hidden + self.narrow(self.activation(self.widen(self.final_norm(hidden))))
        aligned = [weights[:, self.alignment_heads]] if self.alignment_heads else []
        return hidden, aligned, new_key, value

    def _merged(self, apart: torch.Tensor) -> torch.Tensor:
        """(rows, heads, tokens, size) to (rows, tokens, width)."""
        moved = apart.transpose(1, 2)
        return moved.reshape(moved.shape[0], moved.shape[1], self.heads * self.size)


def _split(width: torch.Tensor, heads: int, size: int) -> torch.Tensor:
    """(rows, tokens, width) to (rows, tokens, heads, size)."""
    return width.reshape(width.shape[0], width.shape[1], heads, size)


def _scaled_query(attention: WhisperAttention) -> torch.nn.Linear:
    """The projection to queries with the scores' scale in its weights: exact where that is a power of two."""
    query = attention.q_proj
    scaled = torch.nn.Linear(query.in_features, query.out_features)
    scaled.weight = torch.nn.Parameter(query.weight.detach() * attention.scaling)
    scaled.bias = torch.nn.Parameter(query.bias.detach() * attention.scaling)
    return scaled


def _joined(*projections: torch.nn.Linear) -> torch.nn.Linear:
    """Several projections of one input as one; a missing bias is 0."""
    joined = torch.nn.Linear(projections[0].in_features, sum(part.out_features for part in projections))
    joined.weight = torch.nn.Parameter(torch.cat([part.weight.detach() for part in projections]))
    joined.bias = torch.nn.Parameter(
        torch.cat(
            [
                part.bias.detach() if part.bias is not None else part.weight.new_zeros(part.out_features)
                for part in projections
            ]
        )
    )
    return joined


def tensor_names(layers: int) -> tuple[list[str], list[str]]:
    """The names of a step's inputs and outputs, in the order of `DecoderStep.forward`."""
    inputs = ["input_ids", "past_length", "new_length"]
    outputs = ["logits", "cross_attention"]
    for layer in range(layers):
        inputs += [f"{cache}_{layer}" for cache in CACHES_PER_LAYER]
        outputs += [f"new_key_{layer}", f"new_value_{layer}"]
    return inputs, outputs


def cross_names(layers: int) -> list[str]:
    """The names of what `CrossCache.forward` gives, in its order."""
    return [f"{cache}_{layer}" for layer in range(layers) for cache in CACHES_PER_LAYER[2:]]
