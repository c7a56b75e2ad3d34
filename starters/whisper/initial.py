"""Weights to begin training with, so that a small network on one processor need not find out what is known.

Three things would each cost it hundreds of steps: that the sound matters beside the position it is added to,
that a frame has neighbours, and that a timestamp names a position.
"""

from __future__ import annotations

import torch
import vocabulary
from checkpoint import ALIGNMENT_HEADS, BEFORE_HEADS, EDGE_HEADS, whisper_config
from torch import nn
from transformers import WhisperForConditionalGeneration

NEIGHBOURS = ((-6, -2, 2, 6), (-10, -3, 3, 10), (-20, -7, 7, 20))
"""Frames of 20 ms before or after its own where each head of the first layers looks to begin with."""
SHARPNESS = 1.5
TIMESTAMP_SIZE = 0.3  # of a timestamp's embedding, as a share of the position's


def untrained(seed: int) -> WhisperForConditionalGeneration:
    """A network that keeps the size of its activations from layer to layer, and knows what a position is.

    Weights are normal with He et al.'s deviations (2015, arXiv:1502.01852); with transformers' 0.02, the
    sound would enter at a twentieth of the size of the position embeddings. Encoder positions and timestamps
    are both 20 ms apart, so a position's sinusoid is the first guess at the embedding of its timestamp.
    """
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(whisper_config())
    layers = {"encoder": model.config.encoder_layers, "decoder": model.config.decoder_layers}
    for name, module in model.model.named_modules():
        if isinstance(module, nn.Conv1d):
            nn.init.normal_(module.weight, std=2 / (module.in_channels * module.kernel_size[0]) ** 0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if name.endswith(("out_proj", "fc2")):  # what is added to the residual stream, layer after layer
                module.weight.data *= 0.5 / (2 * layers[name.split(".")[0]]) ** 0.5
    encoder, decoder = model.model.encoder, model.model.decoder
    for layer, shifts in zip(encoder.layers, NEIGHBOURS, strict=False):
        for head, shift in enumerate(shifts):
            _look_at_position(layer.self_attn, head, shift)
    for pairs, shift in ((BEFORE_HEADS, 0), (ALIGNMENT_HEADS, 10), (EDGE_HEADS, 5)):
        for place, (number, head) in enumerate(pairs):
            attention = decoder.layers[number].encoder_attn
            _look_at_position(attention, head, shift)
            if pairs is not ALIGNMENT_HEADS:
                _tell_position(attention, head, 32 * place)
    first = vocabulary.special_ids()[vocabulary.TIMESTAMPS[0]]
    positions = encoder.embed_positions.weight  # (1500, width): sines, then cosines
    with torch.no_grad():
        decoder.embed_tokens.weight.normal_(std=0.1)
        decoder.embed_tokens.weight[first : first + len(positions)] = TIMESTAMP_SIZE * positions
    return model


@torch.no_grad()
def _look_at_position(attention: nn.Module, head: int, shift: int) -> None:
    """Make a head look `shift` frames from the position its query holds.

    The sum over frequencies of cos(f (i + shift - j)) is largest at j = i + shift. It is the product of the
    sinusoids of j and of i turned by the angle f shift, and a head can hold a quarter of the 64 frequencies.
    """
    size = attention.head_dim
    width = attention.embed_dim
    frequency = 10_000.0 ** (
        -torch.arange(width // 2) / (width // 2 - 1)
    )  # radians a frame, Whisper's sinusoids
    query, key = torch.zeros(2, size, width)
    for pair, chosen in enumerate(range(0, size, 2)):  # every other of the highest frequencies
        sine, cosine = chosen, chosen + width // 2
        turn = frequency[chosen] * shift
        key[2 * pair, sine] = key[2 * pair + 1, cosine] = SHARPNESS
        query[2 * pair, sine] = query[2 * pair + 1, cosine] = SHARPNESS * turn.cos()
        query[2 * pair, cosine] = SHARPNESS * turn.sin()
        query[2 * pair + 1, sine] = -SHARPNESS * turn.sin()
    rows = slice(head * size, (head + 1) * size)
    attention.q_proj.weight[rows] = query + 0.2 * attention.q_proj.weight[rows]
    attention.k_proj.weight[rows] = key + 0.2 * attention.k_proj.weight[rows]


@torch.no_grad()
def _tell_position(attention: nn.Module, head: int, first: int) -> None:
    """Make a head pass on the position it looks at, as every other frequency from number `first` on."""
    size = attention.head_dim
    rows = slice(head * size, (head + 1) * size)
    value = torch.zeros(size, attention.embed_dim)
    for pair in range(size // 2):
        sine = first + 2 * pair
        value[2 * pair, sine] = value[2 * pair + 1, sine + attention.embed_dim // 2] = 1
    attention.v_proj.weight[rows] = value
    attention.out_proj.weight[:, rows] = value.T
