"""The letter classifier: a small convolutional network on the square of `tritonzoo.runtime.letter`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

LETTERS = "abcdefghijklmnopqrstuvwxyz"
INK_SIDE = 36  # cells, the square that the convolutions see
CELL = 3  # pixels of the 128x128 square per cell; what lies outside 36 x 3 = 108 is margin


class HandwritingNet(nn.Module):
    """Pixels of one letter to the probability of each of the 26 lower-case letters."""

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

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Probabilities (batch, 26), a to z, from pixels (batch, 128, 128, 3), 0..255, dark on light."""
        return self.logits(pixels).softmax(dim=-1)

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, (batch, 26), from pixels (batch, 128, 128, 3), 0..255."""
        edge = (128 - CELL * INK_SIDE) // 2
        ink = 1.0 - pixels.mean(dim=-1) / 255.0
        return self.logits_of_ink(F.avg_pool2d(ink[:, None, edge : 128 - edge, edge : 128 - edge], CELL))

    def logits_of_ink(self, ink: torch.Tensor) -> torch.Tensor:
        """Scores (batch, 26) from ink (batch, 1, 36, 36), 0 paper to 1 ink."""
        return self.head(self.body(ink))


def _convolution(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
