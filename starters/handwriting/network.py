"""The letter classifier: a small convolutional network on the square of `tritonzoo.runtime.letter`."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

LETTERS = "abcdefghijklmnopqrstuvwxyz"
INK_SIDE = 36  # cells, the square that the convolutions see
CELL = 3  # pixels of the 128x128 square per cell; what lies outside 36 x 3 = 108 is margin

# How the letter is looked at, and the answers averaged: turn in radians, width as a factor, slant.
VIEWS = (
    (0.0, 1.0, 0.0),
    (0.12, 1.0, 0.0),
    (-0.12, 1.0, 0.0),
    (0.0, 1.12, 0.0),
    (0.0, 0.9, 0.0),
    (0.0, 1.0, 0.15),
    (0.0, 1.0, -0.15),
)


class HandwritingNet(nn.Module):
    """Pixels of one letter to the probability of each of the 26 lower-case letters."""

    grids: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 16),  # (batch, 16, 36, 36)
            nn.MaxPool2d(2),
            *_convolution(16, 32),  # (batch, 32, 18, 18)
            nn.MaxPool2d(2),
            *_convolution(32, 64),  # (batch, 64, 9, 9)
            *_convolution(64, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 96),  # (batch, 96, 4, 4)
            nn.Flatten(),
            nn.Dropout(0.4),
        )
        self.head = nn.Linear(96 * 4 * 4, len(LETTERS))
        self.register_buffer("grids", _grids(), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Probabilities (batch, 26), a to z, from pixels (batch, 128, 128, 3), 0..255, dark on light.

        The mean over VIEWS of the letter, which are as different as two days' writing.
        """
        ink = _ink(pixels)
        views = [
            F.grid_sample(ink, grid.expand(ink.shape[0], -1, -1, -1), align_corners=False)
            for grid in self.grids
        ]
        probabilities = self.logits_of_ink(torch.cat(views)).softmax(dim=-1)
        return probabilities.reshape(len(VIEWS), -1, len(LETTERS)).mean(dim=0)

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scores of a single view before the softmax, (batch, 26), from pixels (batch, 128, 128, 3)."""
        return self.logits_of_ink(_ink(pixels))

    def logits_of_ink(self, ink: torch.Tensor) -> torch.Tensor:
        """Scores (batch, 26) from ink (batch, 1, 36, 36), 0 paper to 1 ink."""
        return self.head(self.body(ink))


def _convolution(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def _ink(pixels: torch.Tensor) -> torch.Tensor:
    """Ink (batch, 1, 36, 36), 0 paper to 1 ink, from pixels (batch, 128, 128, 3), 0..255."""
    edge = (128 - CELL * INK_SIDE) // 2
    ink = 1.0 - pixels.mean(dim=-1) / 255.0
    return F.avg_pool2d(ink[:, None, edge : 128 - edge, edge : 128 - edge], CELL)


def _grids() -> torch.Tensor:
    """Where each view takes its cells from, for grid_sample: (views, 1, 36, 36, 2)."""
    turned = [
        [[math.cos(turn) * width, -math.sin(turn) + slant, 0.0], [math.sin(turn), math.cos(turn), 0.0]]
        for turn, width, slant in VIEWS
    ]
    return F.affine_grid(torch.tensor(turned), [len(VIEWS), 1, INK_SIDE, INK_SIDE], align_corners=False)[
        :, None
    ]
