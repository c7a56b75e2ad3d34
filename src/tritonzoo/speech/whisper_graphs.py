"""A Whisper checkpoint as the graphs that are made of it: what `load` of the two recipes returns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from tritonzoo.recipe import LoadedGraph, Shapes
from tritonzoo.speech.greedy import empty_caches, keep, likeliest
from tritonzoo.speech.voice import speech_windows
from tritonzoo.speech.whisper_decoder import CrossCache, DecoderStep, cross_names, tensor_names
from tritonzoo.speech.whisper_encoder import WaveformEncoder

if TYPE_CHECKING:
    import numpy.typing as npt

    from tritonzoo.tasks import Run

    Array = npt.NDArray[Any]

MOST_ROWS = 32
MOST_WINDOWS = 16
_TASK_TOKENS = 24
_SEED = 7


def open_checkpoint(weights: Path) -> WhisperForConditionalGeneration:
    """The checkpoint in `weights`, a folder as the hub has them, in float32."""
    return WhisperForConditionalGeneration.from_pretrained(
        weights, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def alignment_heads(checkpoint: WhisperForConditionalGeneration) -> list[tuple[int, int]]:
    """The (layer, head) pairs whose cross-attention follows the speech.

    Where the checkpoint names none, all heads of the later half of the layers, as openai/whisper has it.
    """
    named = getattr(checkpoint.generation_config, "alignment_heads", None)
    if named:
        return [(int(layer), int(head)) for layer, head in named]
    layers, heads = checkpoint.config.decoder_layers, checkpoint.config.decoder_attention_heads
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def encoder(weights: Path) -> torch.nn.Module:
    """The encoder, from samples on."""
    return WaveformEncoder(open_checkpoint(weights)).eval()


def decoder(weights: Path) -> dict[str, LoadedGraph]:
    """The step as "model", and "cross", which makes ready what each step attends to."""
    checkpoint = open_checkpoint(weights)
    config = checkpoint.config
    positions, width, layers = config.max_source_positions, config.d_model, config.decoder_layers
    heads, slots = config.decoder_attention_heads, config.max_target_positions
    size = width // heads
    step = DecoderStep(checkpoint, alignment_heads(checkpoint)).eval()
    inputs, outputs = tensor_names(layers)

    def rows(*rest: int, most: tuple[int, ...] = ()) -> Shapes:
        return Shapes(min=(1, *rest), opt=(8, *rest), max=(MOST_ROWS, *(most or rest)))

    shapes = {"input_ids": rows(1, most=(slots,)), "past_length": rows(), "new_length": rows()}
    for layer in range(layers):
        shapes[f"self_key_{layer}"] = rows(heads, size, 1, most=(heads, size, slots))
        shapes[f"self_value_{layer}"] = rows(heads, 1, size, most=(heads, slots, size))
        shapes[f"cross_key_{layer}"] = rows(heads, size, positions)
        shapes[f"cross_value_{layer}"] = rows(heads, positions, size)

    def encoded(rng: np.random.Generator) -> Iterator[dict[str, Array]]:
        heard = WaveformEncoder(checkpoint).eval()
        for windows in speech_windows(rng):
            with torch.inference_mode():
                yield {"encoded": heard(torch.from_numpy(windows["waveform"])).numpy()}

    def steps(rng: np.random.Generator) -> Iterator[dict[str, Array]]:
        *_, windows = encoded(rng)
        yield from _steps(rng, step, checkpoint, _crossed(checkpoint, windows["encoded"]))

    return {
        "model": LoadedGraph(step, {name: shapes[name] for name in inputs}, tuple(outputs), steps),
        "cross": LoadedGraph(
            CrossCache(checkpoint).eval(),
            {
                "encoded": Shapes(
                    (1, positions, width), (4, positions, width), (MOST_WINDOWS, positions, width)
                )
            },
            tuple(cross_names(layers)),
            encoded,
        ),
    }


def token_agreement(reference: Run, candidate: Run, weights: Path) -> dict[str, float]:
    """How often two step graphs find the same token likeliest, read after the same ones, in percent."""
    checkpoint, rng = open_checkpoint(weights), np.random.default_rng(_SEED)
    *_, windows = speech_windows(rng)
    with torch.inference_mode():
        encoded = WaveformEncoder(checkpoint).eval()(torch.from_numpy(windows["waveform"])).numpy()
    same = []
    for window in encoded:
        cross = _crossed(checkpoint, window[None])
        prompt = _prompt(rng, checkpoint)
        expected = likeliest(reference, cross, prompt, _TASK_TOKENS)
        found = likeliest(candidate, cross, prompt, _TASK_TOKENS, forced=expected)
        same += [one == other for one, other in zip(expected, found, strict=True)]
    return {"token agreement": round(100 * float(np.mean(same)), 2), "tokens": float(len(same))}


def _crossed(checkpoint: WhisperForConditionalGeneration, encoded: Array) -> dict[str, Array]:
    with torch.inference_mode():
        caches = CrossCache(checkpoint).eval()(torch.from_numpy(encoded))
    names = cross_names(checkpoint.config.decoder_layers)
    return {name: cache.numpy() for name, cache in zip(names, caches, strict=True)}


def _prompt(rng: np.random.Generator, checkpoint: WhisperForConditionalGeneration) -> list[int]:
    """The start token and a few pieces: what stands before a transcript differs from model to model."""
    start = checkpoint.generation_config.decoder_start_token_id
    return [int(start), *rng.integers(0, checkpoint.config.eos_token_id, size=3).tolist()]


def _steps(
    rng: np.random.Generator,
    step: DecoderStep,
    checkpoint: WhisperForConditionalGeneration,
    cross: dict[str, Array],
) -> Iterator[dict[str, Array]]:
    """Steps of three rows: prompts of different lengths, one token each, a row alone; then more slots."""
    inputs, outputs = tensor_names(checkpoint.config.decoder_layers)
    count = len(next(iter(cross.values())))
    for slots, lengths in ((16, (4, 7, 2)), (40, (31, 3, 12))):
        caches = empty_caches(cross, slots)
        past, new = np.zeros(count, np.int64), np.array(lengths[:count], np.int64)
        for tokens in (int(new.max()), 1):
            sample = {
                "input_ids": rng.integers(0, checkpoint.config.vocab_size, size=(count, tokens)),
                "past_length": past.copy(),
                "new_length": new.copy(),
                **{name: cache.copy() for name, cache in caches.items()},
            }
            yield sample
            with torch.inference_mode():
                answers = step(*(torch.from_numpy(sample[name]) for name in inputs))
            answer = {name: tensor.numpy() for name, tensor in zip(outputs, answers, strict=True)}
            for row in range(count):
                keep(caches, answer, row, int(past[row]), int(new[row]))
            past, new = past + new, np.ones(count, np.int64)
        yield {name: tensor[:1] for name, tensor in sample.items()}
