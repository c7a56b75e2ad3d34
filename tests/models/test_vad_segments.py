"""Segments of speech against the silero-vad package's, for any probabilities and any parameters."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from tritonzoo.runtime.vad import WINDOW_SAMPLES, SegmentationOptions, Segmenter

silero_vad = pytest.importorskip("silero_vad", reason="silero-vad is not installed; pip install -e '.[dev]'")


def some_probabilities(rng: random.Random) -> np.ndarray:
    """Up to 6 s of one of three kinds: nonsense, talk and silence in turn, a slow walk."""
    windows, kind = rng.randrange(0, 190), rng.randrange(3)
    values: list[float] = []
    level = 0.5
    while len(values) < windows:
        if kind == 0:
            values.append(rng.random())
        elif kind == 1:
            level = rng.choice([0.05, 0.9])
            values += [level + rng.gauss(0, 0.15) for _ in range(rng.randrange(1, 20))]
        else:
            level = min(1, max(0, level + rng.gauss(0, 0.15)))
            values.append(level)
    return np.clip(values[:windows], 0, 1).astype(np.float32)


def some_options(rng: random.Random) -> SegmentationOptions:
    threshold = rng.choice([0.0, 0.05, 0.3, 0.5, 0.7, 0.9, 1.0])
    negative = rng.choice([None, None, 0.1, 0.3])
    return SegmentationOptions(
        threshold=threshold,
        neg_threshold=None if negative is None or negative > threshold else negative,
        min_speech_duration_ms=rng.choice([0, 33, 64, 100, 250]),
        min_silence_duration_ms=rng.choice([0, 32, 33, 64, 100, 500]),
        speech_pad_ms=rng.choice([0, 7.5, 30, 33, 100, 400]),
        max_speech_duration_s=rng.choice([0.1, 0.3, 0.5, 1, 1.7, 2, math.inf]),
        min_silence_at_max_speech_ms=rng.choice([0, 32, 64, 98, 200]),
        use_max_poss_sil_at_max_speech=rng.random() < 0.5,
    )


def expected(probabilities: np.ndarray, options: SegmentationOptions, samples: int) -> list[tuple[int, int]]:
    found = silero_vad.get_speech_timestamps_from_probs(
        probabilities.tolist(),
        threshold=options.threshold,
        neg_threshold=options.neg_threshold,
        min_speech_duration_ms=options.min_speech_duration_ms,
        min_silence_duration_ms=options.min_silence_duration_ms,
        speech_pad_ms=options.speech_pad_ms,
        max_speech_duration_s=options.max_speech_duration_s,
        min_silence_at_max_speech=options.min_silence_at_max_speech_ms,
        use_max_poss_sil_at_max_speech=options.use_max_poss_sil_at_max_speech,
        audio_length_samples=samples,
    )
    return [(each["start"], each["end"]) for each in found]


@pytest.mark.parametrize("seed", range(8))
def test_any_probabilities_in_any_pieces_give_the_packages_segments(seed: int) -> None:
    rng = random.Random(seed)
    segments = 0
    for _ in range(250):
        options, probabilities = some_options(rng), some_probabilities(rng)
        samples = max(0, probabilities.size * WINDOW_SAMPLES - rng.randrange(WINDOW_SAMPLES))
        segmenter, found, place = Segmenter(options), [], 0
        certain = set()
        while place < probabilities.size:
            size, settled = rng.randrange(1, 30), segmenter.settled_sample
            new = segmenter.feed(probabilities[place : place + size].tolist())
            assert all(segment.start_sample >= settled for segment in new), "what is settled may be let go"
            found += new
            certain |= {segmenter.certain_start_sample} - {None}
            place += size
        found += segmenter.finish(samples)

        assert [tuple(segment) for segment in found] == expected(probabilities, options, samples), options
        assert certain <= {segment.start_sample for segment in found}, "a start that was told is kept"
        segments += len(found)
    assert segments > 500
