"""The training loop: loss, schedule, and the moving average of the weights that is kept."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from batches import batches, drawn, padded
from corpus import Augmentation, Example, epoch_texts
from network import SentimentNetwork
from peft import PeftModel
from tokenizers import Tokenizer
from torch.nn import functional


@dataclass(frozen=True)
class Options:
    """The recipe. The defaults are the one that made the committed adapter."""

    initial_seed: int = 7  # of the adapter and head before training
    seeds: tuple[int, ...] = (7, 8)  # one run each, all from that start; their weights are averaged
    epochs: int = 3
    batch_size: int = 32
    max_tokens: int = 64
    learning_rate: float = 5e-4
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    dropout: float = 0.1  # in the encoder (as it was pretrained) and before the head; none in the adapter
    contrast_weight: float = 0.3
    contrast_temperature: float = 0.3
    rank: int = 16
    scaling: int = 2  # LoRA's alpha / rank
    kept_rank: int = 22  # of the average of the runs: 1.8 MB in half precision
    average_decay: float = 0.998  # of the moving average of the weights, which is what is kept
    shares: dict[str, float] = field(
        default_factory=lambda: {"sst2_train": 1.0, "custrev": 0.5, "mpqa": 0.5, "vader": 0.3}
    )  # of each source's examples, drawn anew each epoch; a source that is not named is not read
    augmentation: Augmentation = field(default_factory=Augmentation)


def batch_loss(
    network: SentimentNetwork, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, options: Options
) -> torch.Tensor:
    """Cross-entropy plus the supervised contrastive loss of Gunel et al., ICLR 2021 (arXiv:2011.01403).

    The second pulls sentences of one label together, whatever they are about: the base model was trained
    to do the opposite, to place sentences by topic.
    """
    features = network.features(ids, mask)
    logits = network.head(network.dropout(features))
    loss = functional.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
    unit = functional.normalize(features, dim=-1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    similarities = (unit @ unit.T / options.contrast_temperature).masked_fill(itself, -1e9)
    log_shares = similarities.log_softmax(dim=-1)
    alike = (labels[:, None] == labels) & ~itself
    contrast = -(log_shares * alike).sum(dim=1) / alike.sum(dim=1).clamp(min=1)
    return (1 - options.contrast_weight) * loss + options.contrast_weight * contrast.mean()


def learning_rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """Linear warm-up to 1, then a half cosine to 0."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class MovingAverage:
    """An exponential moving average of the trainable parameters."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]

    def update(self) -> None:
        """Take in the parameters as they now are; the first steps, far from the goal, fade faster."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        with torch.no_grad():
            for average, parameter in zip(self.averages, self.parameters, strict=True):
                average.lerp_(parameter, 1.0 - decay)

    def swap(self) -> None:
        """Exchange the parameters with their averages; a second call undoes the first."""
        with torch.no_grad():
            for average, parameter in zip(self.averages, self.parameters, strict=True):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)


def train(
    model: PeftModel,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    options: Options,
    seed: int,
    after_epoch: Callable[[int], None],
) -> None:
    """Fit adapter and head; the model ends with the moving average of its weights.

    `seed` draws the order of the sentences, their forms and the dropout.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, options.learning_rate, weight_decay=options.weight_decay)
    steps = options.epochs * -(-len(drawn(examples, options.shares, rng)) // options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, steps, options.warmup_share)
    )
    average = MovingAverage(model, options.average_decay)
    started_s = time.monotonic()
    step, running = 0, 0.0
    for epoch in range(options.epochs):
        shown = drawn(examples, options.shares, rng)
        labels = torch.tensor([example.label for example in shown])
        encoded = tokenizer.encode_batch(epoch_texts(shown, options.augmentation, rng))
        for chosen in batches([len(encoding.ids) for encoding in encoded], options.batch_size, rng):
            model.train()
            ids, mask = padded([encoded[index].ids for index in chosen])
            loss = batch_loss(model.get_base_model(), ids, mask, labels[chosen], options)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
            schedule.step()
            average.update()
            step += 1
            running += (loss.item() - running) / min(step, 100)
            if step % 50 == 0:
                elapsed_s = time.monotonic() - started_s
                left_s = elapsed_s / step * (steps - step)
                print(
                    f"step {step}/{steps}  loss {running:.3f}  {elapsed_s:.0f} s, {left_s:.0f} s left",
                    flush=True,
                )
        average.swap()
        after_epoch(epoch + 1)
        if epoch + 1 < options.epochs:
            average.swap()
