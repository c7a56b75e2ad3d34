"""Fit the network to samples."""

from __future__ import annotations

import copy

import numpy as np
import torch
from network import HandwritingNet
from numpy.typing import NDArray
from rich.progress import Progress
from samples import Samples
from torch import nn
from torch.nn import functional as F

BATCH = 128
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05
AVERAGE_DECAY = 0.995  # per step, of the exponential moving average that is kept as the result


def fitted(samples: Samples, steps: int, seed: int, title: str) -> HandwritingNet:
    """A network trained from nothing on `steps` batches of samples; returned in eval mode.

    AdamW under a one-cycle schedule (Smith 2017, arXiv:1708.07120); the result is the moving average of
    the weights along the way.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = HandwritingNet().to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    order = np.empty(0, dtype=np.int64)
    with Progress() as progress:
        task = progress.add_task(title, total=steps)
        for step in range(steps):
            if len(order) < BATCH:
                order = rng.permutation(len(samples.ink))
            chosen, order = order[:BATCH], order[BATCH:]
            ink = _shaken(_as_tensor(samples.ink[chosen]), rng)
            labels = torch.from_numpy(samples.labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(network.logits_of_ink(ink), labels, label_smoothing=LABEL_SMOOTHING)
            loss.backward()
            optimizer.step()
            schedule.step()
            _follow(averaged, network, min(AVERAGE_DECAY, step / (step + 10)))
            progress.update(task, advance=1, description=f"{title}, loss {loss.item():.3f}")
    return averaged


def _as_tensor(ink: NDArray[np.uint8]) -> torch.Tensor:
    """Ink 0..255 (batch, 36, 36) to 0..1 (batch, 1, 36, 36)."""
    return (torch.from_numpy(ink)[:, None].float() / 255).contiguous(memory_format=torch.channels_last)


def _shaken(ink: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Turn, stretch and shift each sample a little, anew each time it is seen."""
    count = len(ink)
    turn = rng.normal(0, 0.05, count)
    across, down = np.exp(rng.normal(0, 0.06, (2, count)))
    rows = [[across * np.cos(turn), -np.sin(turn), rng.normal(0, 0.03, count)],
            [np.sin(turn), down * np.cos(turn), rng.normal(0, 0.03, count)]]  # fmt: skip
    theta = torch.from_numpy(np.array(rows).transpose(2, 0, 1).astype(np.float32))
    grid = F.affine_grid(theta, list(ink.shape), align_corners=False)
    return F.grid_sample(ink, grid, align_corners=False).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _follow(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the current ones; counts are copied."""
    for kept, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)
