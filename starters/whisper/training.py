"""Fit the network to scenes; a run that was stopped goes on where it was."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from batches import Course, batches
from checkpoint import save
from initial import untrained
from network import Learner
from scenes import Scenes
from torch import nn
from transformers import WhisperForConditionalGeneration

SAVE_EVERY_S = 120


@dataclass(frozen=True)
class Options:
    """The recipe."""

    steps: int = 3000
    seed: int = 0
    peak_learning_rate: float = 2e-3
    warm_up_steps: int = 150
    weight_decay: float = 0.02
    average_decay: float = 0.997  # per step, of the moving average that is kept as the result
    foreign_share: float = 0.08  # of the scenes with digits, in German, Spanish or French
    begun: float = 0.0  # progress at the first step, from 0 to 1: short and easy scenes come first
    full_share: float = 0.35  # of batches of 30 s windows late in the run
    frozen_encoder: int = 0  # 1: the decoder alone learns, at a third of the cost
    bfloat16: int = 0  # 1: most products in bfloat16, which is faster where a processor has it

    def course(self) -> Course:
        return Course(self.seed, self.steps, self.foreign_share, self.begun, self.full_share)


def fitted(
    scenes: Scenes, options: Options, state: Path, weights: Path, start: Path | None = None
) -> WhisperForConditionalGeneration:
    """The moving average of a network trained on `options.steps` batches.

    Every two minutes the run is kept in the file `state`, from which it goes on if called again, and its
    average as a checkpoint in the folder `weights`. A run without a `state` begins with the network of
    `start`, a state file or a checkpoint folder, or with random weights.
    """
    learner = Learner(_first(options.seed, start), bool(options.frozen_encoder))
    encoder_positions = learner.model.model.encoder.embed_positions.weight
    encoder_positions.requires_grad_(False)
    if options.frozen_encoder:
        learner.model.model.encoder.requires_grad_(False)
        learner.said_head.requires_grad_(False)
    averaged = copy.deepcopy(learner).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(
        _groups(learner, options.weight_decay), lr=options.peak_learning_rate, betas=(0.9, 0.98)
    )
    first_step = 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        first_step = kept["step"]
        learner.load_state_dict(kept["learner"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
    elif start is not None and start.is_file():
        kept = torch.load(start, weights_only=True)
        learner.load_state_dict(kept["averaged"])
        averaged.load_state_dict(kept["averaged"])

    def keep(step: int) -> None:
        unfinished = state.with_suffix(".part")
        torch.save(
            {
                "step": step,
                "learner": learner.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            unfinished,
        )
        unfinished.rename(state)
        save(averaged.model, weights)

    kept_at_s = time.monotonic()
    smooth: dict[str, float] = {}
    for step, batch in enumerate(batches(scenes, options.course(), first_step), first_step):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, options)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(options.bfloat16)):
            losses = learner(batch)
        optimizer.zero_grad(set_to_none=True)
        losses.total().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        _follow(
            averaged, learner, min(options.average_decay, (step - first_step + 1) / (step - first_step + 10))
        )
        for name, loss in vars(losses).items():
            smooth[name] = 0.97 * smooth.get(name, loss.item()) + 0.03 * loss.item()
        if step % 20 == 0:
            figures = ", ".join(f"{name} {value:.3f}" for name, value in smooth.items())
            print(f"{time.strftime('%H:%M:%S')} step {step} of {options.steps}: {figures}", flush=True)
        if time.monotonic() - kept_at_s > SAVE_EVERY_S:
            keep(step + 1)
            kept_at_s = time.monotonic()
    keep(options.steps)
    return averaged.model


def _first(seed: int, start: Path | None) -> WhisperForConditionalGeneration:
    if start is None or start.is_file():
        return untrained(seed)
    return WhisperForConditionalGeneration.from_pretrained(start, dtype=torch.float32)


def _groups(learner: Learner, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and embeddings do not."""
    decayed, free = [], []
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 and "embed" not in name else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _learning_rate(step: int, options: Options) -> float:
    """A linear rise, then half a cosine down to zero."""
    warm = min(1.0, (step + 1) / options.warm_up_steps)
    return options.peak_learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / options.steps))


@torch.no_grad()
def _follow(averaged: nn.Module, learner: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the current ones."""
    for kept, now in zip(averaged.parameters(), learner.parameters(), strict=True):
        kept.lerp_(now, 1 - decay)
