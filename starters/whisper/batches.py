"""Endless batches of scenes, made in a process of their own while the network learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from pieces import SAMPLE_RATE
from scenes import Scene, Scenes
from targets import IGNORED, Target, look_weights, target
from torch.utils.data import DataLoader, IterableDataset
from transformers.audio_utils import mel_filter_bank
from vocabulary import TIMESTAMP_STEP_S, word_ids

WINDOW_FRAMES = 1500  # of 20 ms, what the encoder gives for 30 s
MEL_HOP = 160
FFT_SAMPLES = 400
PROMPT_SHARE = 0.12
HARD_FROM = 0.5
"""Progress, from 0 to 1, from which on scenes are as hard as they get; before, they grow harder."""


@dataclass(frozen=True)
class Kind:
    """A shape of batch: encoder frames a scene, scenes a batch, and how often it is drawn early and late."""

    frames: int
    scenes: int
    early_share: float
    late_share: float


KINDS = (Kind(300, 16, 0.8, 0.35), Kind(600, 7, 0.15, 0.3), Kind(WINDOW_FRAMES, 4, 0.05, 0.35))


@dataclass(frozen=True)
class Course:
    """Which batches a run draws, and how they change while it goes on."""

    seed: int
    steps: int
    foreign_share: float  # of the scenes with digits, in German, Spanish or French
    begun: float = 0.0  # progress at the first step, from 0 to 1: short and easy scenes come first
    full_share: float = KINDS[-1].late_share  # of batches of 30 s windows late in the run

    def progress(self, step: int) -> float:
        return self.begun + (1 - self.begun) * step / self.steps

    def shares(self, step: int) -> NDArray[np.float64]:
        """How likely each of KINDS is at a step."""
        late = min(1.0, max(0.0, (self.progress(step) - 0.3) / 0.4))
        early_shares = np.array([kind.early_share for kind in KINDS])
        late_shares = np.array([kind.late_share for kind in KINDS])
        late_shares[:-1] *= (1 - self.full_share) / late_shares[:-1].sum()
        late_shares[-1] = self.full_share
        shares = early_shares * (1 - late) + late_shares * late
        return shares / shares.sum()


@dataclass
class Batch:
    """What one step learns from."""

    mel: torch.Tensor  # (scenes, 80, 2 * frames)
    first_frame: torch.Tensor  # (scenes,) where in the 30 s each scene lies
    inputs: torch.Tensor  # (2 * scenes, tokens): all scenes with timestamps, then all without
    outputs: torch.Tensor  # (2 * scenes, tokens), IGNORED where anything goes
    looks: torch.Tensor  # (2 * scenes, 3, tokens, frames) attention wanted; zero where any is fine
    said: (
        torch.Tensor
    )  # (scenes, frames) 0 for no digit, then the digits of all languages; IGNORED where unsure


def log_mel(audio: torch.Tensor) -> torch.Tensor:
    """Whisper's features of `audio` (scenes, samples at 16 kHz): (scenes, 80, samples / 160).

    As WhisperFeatureExtractor: a Hann window of 25 ms every 10 ms, 80 Slaney mel bands, log10, clamped to
    8 below the window's maximum, then (x + 4) / 4. What follows the samples is silence, as there.
    """
    padded = torch.nn.functional.pad(audio, (FFT_SAMPLES // 2, FFT_SAMPLES // 2))
    padded[:, : FFT_SAMPLES // 2] = audio[:, 1 : FFT_SAMPLES // 2 + 1].flip(1)
    window = torch.hann_window(FFT_SAMPLES)
    power = torch.stft(padded, FFT_SAMPLES, MEL_HOP, window=window, center=False, return_complex=True)
    mel = _mel_filters() @ power[..., : audio.shape[1] // MEL_HOP].abs().square()
    log = mel.clamp(min=1e-10).log10()
    return (torch.maximum(log, log.amax((1, 2), keepdim=True) - 8) + 4) / 4


@cache
def _mel_filters() -> torch.Tensor:
    filters = mel_filter_bank(
        FFT_SAMPLES // 2 + 1, 80, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(filters.T).float()


class _Endless(IterableDataset[Batch]):
    def __init__(self, scenes: Scenes, course: Course, first_step: int) -> None:
        self.scenes = scenes
        self.course = course
        self.first_step = first_step

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        for step in range(self.first_step, self.course.steps):
            yield self._batch(step)

    def _batch(self, step: int) -> Batch:
        rng = np.random.default_rng((self.course.seed, step))
        hardness = min(1.0, self.course.progress(step) / HARD_FROM)
        kind = KINDS[rng.choice(len(KINDS), p=self.course.shares(step))]
        audio = np.zeros((kind.scenes, kind.frames * 2 * MEL_HOP), dtype=np.float32)
        first_frames, said = [], []
        timed, plain = [], []
        for row in range(kind.scenes):
            first = int(rng.integers(0, WINDOW_FRAMES - kind.frames + 1)) if rng.uniform() < 0.75 else 0
            full = rng.uniform() < 0.65
            frames = kind.frames if full else int(rng.uniform(0.1, 1) * kind.frames)
            duration_s = frames * TIMESTAMP_STEP_S
            scene = self.scenes.draw(rng, duration_s, self.course.foreign_share, hardness)
            audio[row, : len(scene.audio)] = scene.audio
            first_frames.append(first)
            said.append(_said(scene, kind.frames))
            for targets, timestamps in ((timed, True), (plain, False)):
                prompt = _prompt(rng, scene)
                targets.append(target(scene, duration_s, first * TIMESTAMP_STEP_S, timestamps, prompt))
        return _collated(audio, first_frames, [*timed, *plain], said, kind.frames)


def _prompt(rng: np.random.Generator, scene: Scene) -> list[int] | None:
    if rng.uniform() >= PROMPT_SHARE:
        return None
    words = word_ids()[scene.language]
    return [words[digit] for digit in rng.integers(0, 10, rng.integers(1, 30))]


def _said(scene: Scene, frames: int) -> np.ndarray:
    """The digit said in each frame, counted from 1 within the language and 10 further for each language."""
    first = 1 + 10 * list(word_ids()).index(scene.language)
    said = np.zeros(frames, dtype=np.int64)
    for word in scene.words:
        said[round(word.start_s / TIMESTAMP_STEP_S) : round(word.end_s / TIMESTAMP_STEP_S)] = (
            first + word.digit
        )
    for start_s, end_s in scene.unsure:
        said[round(start_s / TIMESTAMP_STEP_S) : round(end_s / TIMESTAMP_STEP_S)] = IGNORED
    return said


def _collated(
    audio: np.ndarray, first_frames: list[int], targets: list[Target], said: list[np.ndarray], frames: int
) -> Batch:
    longest = max(len(target.inputs) for target in targets)
    inputs = np.zeros((len(targets), longest), dtype=np.int64)
    outputs = np.full((len(targets), longest), IGNORED, dtype=np.int64)
    looks = np.zeros((len(targets), 3, longest, frames), dtype=np.float32)
    for row, (wanted, first) in enumerate(zip(targets, 2 * first_frames, strict=True)):
        inputs[row, : len(wanted.inputs)] = wanted.inputs
        outputs[row, : len(wanted.outputs)] = wanted.outputs
        looks[row, :, : len(wanted.looks)] = look_weights(wanted.looks, first, frames)
    return Batch(
        mel=log_mel(torch.from_numpy(audio)),
        first_frame=torch.tensor(first_frames),
        inputs=torch.from_numpy(inputs),
        outputs=torch.from_numpy(outputs),
        looks=torch.from_numpy(looks),
        said=torch.from_numpy(np.stack(said)),
    )


def batches(scenes: Scenes, course: Course, first_step: int) -> Iterator[Batch]:
    """Batches from step `first_step` to the last; one depends on the course and its step alone."""
    endless = _Endless(scenes, course, first_step)
    return iter(DataLoader(endless, batch_size=None, num_workers=1, prefetch_factor=6))
