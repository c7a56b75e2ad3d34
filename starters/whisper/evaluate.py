"""Measure a checkpoint of the starter on recordings it was never trained on, and on sounds without digits.

    python starters/whisper/evaluate.py --data FOLDER --out starters/whisper/metrics.json

FOLDER holds the recordings of the Free Spoken Digit Dataset. With `--index 0 1 2 3 4` it takes the dataset's
own test recordings instead of those that training held out. A string is one speaker's: 1 to 10 digits with
pauses of 0.1 to 1.5 s, silence around it. The long recording is such strings, 1.4 to 5 s apart, cut at 30 s.
"""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from acoustics import babble, clicks, coloured_noise, hum, melody
from listening import Heard, Listener
from numpy.typing import NDArray
from pieces import HELD_OUT, SAMPLE_RATE, Piece, read_recordings
from scoring import Score, Timed
from synthetic import synthesised
from vocabulary import WORDS

HERE = Path(__file__).parent
WINDOW_SAMPLES = 30 * SAMPLE_RATE
Audio = NDArray[np.float32]


def string(
    rng: np.random.Generator, pieces: list[Piece], pause_s: tuple[float, float]
) -> tuple[Audio, list[Timed]]:
    """1 to 10 of `pieces` with pauses between, before and after them, and when each starts."""
    parts: list[Audio] = []
    said: list[Timed] = []
    samples = 0
    for number in range(rng.integers(1, 11)):
        pause = np.zeros(
            int(rng.uniform(*((0.2, 1.0) if number == 0 else pause_s)) * SAMPLE_RATE), np.float32
        )
        piece = pieces[rng.integers(len(pieces))]
        samples += len(pause)
        said.append(Timed(WORDS["en"][piece.digit or 0], samples / SAMPLE_RATE + piece.start_s))
        samples += len(piece.audio)
        parts += [pause, 0.5 * piece.audio]
    parts.append(np.zeros(int(rng.uniform(0.2, 1.0) * SAMPLE_RATE), np.float32))
    return np.concatenate(parts), said


def with_noise(rng: np.random.Generator, audio: Audio, ratio_db: float | None) -> Audio:
    """`audio` with white noise `ratio_db` below the power of its speech."""
    if ratio_db is None:
        return audio
    spoken = audio[audio != 0]
    level = np.sqrt((spoken**2).mean() * 10 ** (-ratio_db / 10))
    return (audio + level * rng.standard_normal(len(audio))).astype(np.float32)


def on_strings(
    listen: Listener, voices: list[list[Piece]], count: int, ratio_db: float | None, timestamps: bool
) -> dict[str, object]:
    """Errors on `count` strings a speaker, in all and by speaker."""
    rng = np.random.default_rng(1)
    total, by_speaker = Score(), {}
    for voice in voices:
        made = [string(rng, voice, (0.1, 1.5)) for _ in range(count)]
        heard = listen([with_noise(rng, audio, ratio_db) for audio, _ in made], timestamps)
        own = Score()
        for (_, said), answer in zip(made, heard, strict=True):
            own.add(said, answer.words)
            total.add(said, answer.words)
        by_speaker[voice[0].speaker] = round(100 * own.word_error_rate(), 2)
    return total.summary() | {"by_speaker_percent": by_speaker}


def on_one_file(
    listen: Listener, voices: list[list[Piece]], minutes: float, ratio_db: float, timestamps: bool
) -> dict[str, object]:
    """Errors on one long recording of all speakers, cut every 30 s wherever that falls."""
    rng = np.random.default_rng(2)
    parts: list[Audio] = []
    said: list[Timed] = []
    samples = 0
    while samples < minutes * 60 * SAMPLE_RATE:
        audio, words = string(rng, voices[rng.integers(len(voices))], (0.1, 1.5))
        audio = np.pad(audio, (0, int(rng.uniform(1, 3) * SAMPLE_RATE)))
        said += [Timed(word.word, word.start_s + samples / SAMPLE_RATE) for word in words]
        parts.append(audio)
        samples += len(audio)
    audio = with_noise(rng, np.concatenate(parts), ratio_db)
    windows = [audio[first : first + WINDOW_SAMPLES] for first in range(0, len(audio), WINDOW_SAMPLES)]
    written = [
        Timed(word.word, word.start_s + 30 * number)
        for number, answer in enumerate(listen(windows, timestamps))
        for word in answer.words
    ]
    score = Score()
    score.add(said, written)
    return score.summary() | {"minutes": round(len(audio) / SAMPLE_RATE / 60, 1)}


def on_no_digits(listen: Listener, count: int, timestamps: bool) -> dict[str, object]:
    """Words written, and windows called silent, where no digit is said: `count` windows a kind."""
    rng = np.random.default_rng(3)
    others = [piece for piece in synthesised(5, {"en": 12}) if piece.digit is None]
    kinds = {
        "silence": lambda samples: np.zeros(samples, np.float32),
        "white noise": lambda samples: coloured_noise(rng, samples, 0),
        "pink noise": lambda samples: coloured_noise(rng, samples, 1),
        "hum": lambda samples: hum(rng, samples),
        "melody": lambda samples: melody(rng, samples),
        "knocks": lambda samples: clicks(rng, samples),
        "babble": lambda samples: babble(rng, samples, others),
        "other words": lambda samples: _sentence(rng, others, samples),
    }
    result: dict[str, object] = {}
    for name, make in kinds.items():
        windows = []
        for _ in range(count):
            sound = make(int(rng.uniform(3, 30) * SAMPLE_RATE))
            windows.append((sound * 10 ** (rng.uniform(-45, -12) / 20)).astype(np.float32))
        heard: list[Heard] = listen(windows, timestamps)
        result[name] = {
            "windows": count,
            "false_words": sum(len(answer.words) for answer in heard),
            "windows_with_false_words": sum(bool(answer.words) for answer in heard),
            "called_silent": sum(answer.no_speech_probability > 0.6 for answer in heard),
        }
    return result


def _sentence(rng: np.random.Generator, others: list[Piece], samples: int) -> Audio:
    sound = np.zeros(samples, np.float32)
    start = 0
    while start < samples:
        word = others[rng.integers(len(others))].audio[: samples - start]
        sound[start : start + len(word)] = word
        start += len(word) + int(rng.uniform(0.02, 0.6) * SAMPLE_RATE)
    return sound


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings")
    parser.add_argument("--weights", type=Path, default=HERE / "weights", help="the checkpoint to measure")
    parser.add_argument(
        "--index", type=int, nargs="+", default=list(HELD_OUT), help="indices of the recordings"
    )
    parser.add_argument("--strings", type=int, default=40, help="strings a speaker")
    parser.add_argument("--minutes", type=float, default=60, help="length of the one long recording")
    parser.add_argument(
        "--quick", action="store_true", help="with noise and timestamps only, no long recording"
    )
    parser.add_argument("--out", type=Path, help="file to write the figures to")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    listen = Listener(arguments.weights)
    recorded = [piece for piece in read_recordings(arguments.data) if piece.index in arguments.index]
    speakers = sorted({piece.speaker for piece in recorded})
    voices = [[piece for piece in recorded if piece.speaker == speaker] for speaker in speakers]
    metrics: dict[str, object] = {
        "index": arguments.index,
        "recordings": len(recorded),
        "model_sha256": sha256((arguments.weights / "model.safetensors").read_bytes()).hexdigest(),
    }
    for ratio_db in (20.0,) if arguments.quick else (None, 20.0, 10.0):
        for timestamps in (True, False):
            noise = "clean" if ratio_db is None else f"noise at {ratio_db:.0f} dB"
            name = f"strings, {noise}, {'with' if timestamps else 'without'} timestamps"
            metrics[name] = on_strings(listen, voices, arguments.strings, ratio_db, timestamps)
            print(name, json.dumps(metrics[name]), flush=True)
    if not arguments.quick:
        for timestamps in (True, False):
            name = f"one file, noise at 20 dB, {'with' if timestamps else 'without'} timestamps"
            metrics[name] = on_one_file(listen, voices, arguments.minutes, 20.0, timestamps)
            print(name, json.dumps(metrics[name]), flush=True)
    for timestamps in (True, False):
        name = f"no digits, {'with' if timestamps else 'without'} timestamps"
        metrics[name] = on_no_digits(listen, 3 if arguments.quick else 20, timestamps)
        print(name, json.dumps(metrics[name]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(metrics, indent=2) + "\n")


if __name__ == "__main__":
    main()
