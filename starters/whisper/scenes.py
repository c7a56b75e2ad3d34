"""Windows of sound to learn from: words one after another, pauses, noise, and what was said when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from acoustics import Audio, Noises, filtered
from pieces import SAMPLE_RATE, Piece

HEARD_FROM_SHARE = 0.5
"""A word cut by the window's edge counts as said in it if at least this share of it is inside."""
NOTICED_FROM_S = 0.1
"""A word of which less than `HEARD_FROM_SHARE`, but this much, is before the end counts as begun."""
NEXT_SPEAKER_AFTER_S = 0.9
"""In a conversation, a pause of this much gives the word to another speaker."""


@dataclass(frozen=True)
class Word:
    """A digit said in a window."""

    digit: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Scene:
    """A window of sound and its digits, in order."""

    audio: Audio  # 16 kHz
    language: str
    words: list[Word]
    begun_s: float | None  # where a digit begins that the window's end cuts off
    unsure: list[tuple[float, float]]  # where a digit is cut so that neither answer is wrong


class Scenes:
    """Draws scenes from recorded and synthesised words."""

    def __init__(self, recorded: list[Piece], synthesised: list[Piece], noises: Noises) -> None:
        self.noises = noises
        self.others = [piece for piece in synthesised if piece.digit is None]
        self.recorded = _by_speaker(recorded)
        digits = [piece for piece in synthesised if piece.digit is not None]
        self.synthesised = {
            language: _by_speaker([piece for piece in digits if piece.language == language])
            for language in sorted({piece.language for piece in digits})
        }

    def draw(
        self, rng: np.random.Generator, duration_s: float, foreign_share: float, hardness: float = 1.0
    ) -> Scene:
        """A scene of `duration_s`; the share `foreign_share` of them is not in English.

        With a `hardness` below 1, fewer of them are noisy, filtered, synthesised or foreign.
        """
        samples = round(duration_s * SAMPLE_RATE)
        kind = rng.uniform()
        if kind < 0.05:
            return Scene(self._background(rng, samples), "en", [], None, [])
        foreign = [language for language in self.synthesised if language != "en"]
        if foreign and rng.uniform() < foreign_share * hardness:
            language = str(rng.choice(foreign))
            speakers = self.synthesised[language]
        else:
            language = "en"
            speakers = self.recorded if rng.uniform() > 0.25 * hardness else self.synthesised["en"]
        audio, words, begun_s, unsure = self._said(rng, samples, speakers, only_others=kind < 0.09)
        if rng.uniform() < 0.6 * hardness:
            audio = filtered(rng, audio)
        audio = self._noisy(rng, audio, hardness)
        return Scene(audio, language, words, begun_s, unsure)

    def _said(
        self, rng: np.random.Generator, samples: int, speakers: list[list[Piece]], only_others: bool
    ) -> tuple[Audio, list[Word], float | None, list[tuple[float, float]]]:
        duration_s = samples / SAMPLE_RATE
        audio = np.zeros(samples, dtype=np.float32)
        words: list[Word] = []
        unsure: list[tuple[float, float]] = []
        begun_s = None
        speaker = speakers[rng.integers(len(speakers))]
        manner = rng.uniform()
        next_after_s = np.inf if manner < 0.5 else (NEXT_SPEAKER_AFTER_S if manner < 0.8 else 0.0)
        others_share = 1.0 if only_others else (0.25 if rng.uniform() < 0.12 else 0.0)
        pause = _pauses(rng)
        spread_db = rng.uniform(0, 5)
        speed = rng.uniform(0.87, 1.15)
        time_s = -rng.uniform(0, 0.5) if rng.uniform() < 0.3 else min(pause(), rng.uniform(0, duration_s))
        stop_s = duration_s if rng.uniform() < 0.75 else rng.uniform(0.3, 1) * duration_s
        while time_s < stop_s:
            said = self._word(rng, speaker, others_share)
            rate = speed * rng.uniform(0.95, 1.05)
            sound = _played(rng, said, rate) * 10 ** (rng.normal(0, spread_db) / 20)
            start = round(time_s * SAMPLE_RATE)
            first, last = max(start, 0), min(start + len(sound), samples)
            if last > first:
                audio[first:last] += sound[first - start : last - start]
            start_s, end_s = time_s + said.start_s / rate, time_s + said.end_s / rate
            visible = max(0.0, min(end_s, duration_s) - max(start_s, 0.0))
            share = visible / max(end_s - start_s, 1e-3)
            if said.digit is not None and visible > 0:
                if share >= HEARD_FROM_SHARE:
                    words.append(Word(said.digit, max(start_s, 0.0), min(end_s, duration_s)))
                else:
                    if end_s > duration_s and visible >= NOTICED_FROM_S:
                        begun_s = start_s
                    unsure.append((max(start_s, 0.0), min(end_s, duration_s)))
            pause_s = pause()
            if pause_s >= next_after_s:
                speaker = speakers[rng.integers(len(speakers))]
            time_s += len(sound) / SAMPLE_RATE + pause_s
        return audio, words, begun_s, unsure

    def _word(self, rng: np.random.Generator, pieces: list[Piece], others_share: float) -> Piece:
        if rng.uniform() >= others_share:
            return pieces[rng.integers(len(pieces))]
        if rng.uniform() < 0.7:
            return self.others[rng.integers(len(self.others))]
        return _backwards(pieces[rng.integers(len(pieces))])

    def _background(self, rng: np.random.Generator, samples: int) -> Audio:
        if rng.uniform() < 0.15:
            return np.zeros(samples, dtype=np.float32)
        loudness_db = rng.uniform(-80, -3)
        sound = self.noises.cut(rng, samples) + (
            self.noises.cut(rng, samples) * rng.uniform() if rng.uniform() < 0.5 else np.float32(0)
        )
        return (sound * 0.2 * 10 ** (loudness_db / 20)).astype(np.float32)

    def _noisy(self, rng: np.random.Generator, audio: Audio, hardness: float) -> Audio:
        """`audio` at some loudness, with up to two noises 5 to 45 dB below the speech, or none."""
        active = audio[np.abs(audio) > 1e-3]
        power = float((active**2).mean()) if len(active) else 0.01
        if rng.uniform() < 0.8 * hardness:
            for _ in range(1 + (rng.uniform() < 0.25)):
                ratio_db = rng.uniform(5, 45)
                audio = audio + self.noises.cut(rng, len(audio)) * np.float32(
                    np.sqrt(power * 10 ** (-ratio_db / 10))
                )
        peak = max(float(np.abs(audio).max()), 1e-6)
        audio = audio / peak * 10 ** (-rng.uniform(0, 30) / 20)
        if rng.uniform() < 0.05:
            audio = np.clip(audio * rng.uniform(1, 4), -1, 1)
        return (np.round(audio * 32767) / 32768).astype(np.float32)


def _by_speaker(pieces: list[Piece]) -> list[list[Piece]]:
    speakers = sorted({piece.speaker for piece in pieces})
    return [[piece for piece in pieces if piece.speaker == speaker] for speaker in speakers]


def _pauses(rng: np.random.Generator) -> Callable[[], float]:
    """A way to draw pauses: read out, hurried, steady, in groups, or sparse."""
    kind = rng.uniform()
    if kind < 0.35:
        longest_s = rng.choice([0.6, 1.0, 5.0])  # whoever packs windows shortens the pauses in them
        return lambda: min(rng.uniform(1.2, 5) if rng.uniform() < 0.15 else rng.uniform(0.1, 1.5), longest_s)
    if kind < 0.45:
        return lambda: rng.uniform(0, 0.12)
    if kind < 0.65:
        longest_s = rng.uniform(0.1, 1)
        return lambda: rng.uniform(0.02, longest_s)
    if kind < 0.9:
        chance = rng.uniform(0.1, 0.4)
        return lambda: rng.uniform(0.6, 3) if rng.uniform() < chance else rng.uniform(0, 0.4)
    return lambda: rng.exponential(2.5)


def _played(rng: np.random.Generator, piece: Piece, rate: float) -> Audio:
    """The piece played `rate` times as fast, its ends faded in and out over 3 ms."""
    source, step = piece.audio, rate
    if rng.uniform() < 0.1 and piece.index >= 0:
        source, step = source[::2], rate / 2  # as a careless conversion from 8 kHz leaves its images
    places = np.arange(0, len(source) - 1, step)
    sound = np.interp(places, np.arange(len(source)), source).astype(np.float32)
    fade = min(48, len(sound) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    sound[:fade] *= ramp
    sound[len(sound) - fade :] *= ramp[::-1]
    return sound


def _backwards(piece: Piece) -> Piece:
    """A sound with a voice's timbre that is no digit. (Nine backwards nearly is one, so it is slowed.)"""
    audio = piece.audio[::-1]
    if piece.digit == 9:
        audio = np.repeat(audio, 2)
    return Piece(
        np.ascontiguousarray(audio), piece.speaker, piece.language, None, -1, 0, len(audio) / SAMPLE_RATE
    )
