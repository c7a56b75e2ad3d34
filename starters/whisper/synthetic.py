"""Words spoken by espeak-ng in many voices: digits of four languages, and words that are no digits."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
from pieces import SAMPLE_RATE, Piece, piece, resampled, speech_bounds
from vocabulary import WORDS

ACCENTS = {
    "en": "en-us en-gb en-gb-scotland en-gb-x-gbclan en-gb-x-rp en-gb-x-gbcwmd en-029 en-us-nyc".split(),
    "de": ["de"],
    "es": ["es", "es-419"],
    "fr": ["fr-fr", "fr-be", "fr-ch"],
}
VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Andy Alex Alicia Andrea Annie antonio aunty belinda "
    "benjamin boris caleb david Denis Diogo ed edward edward2 Gene Gene2 grandma grandpa Henrique Hugo "
    "john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 klatt6 linda marcelo Marco Mario max miguel "
    "michael michel mike Nguyen norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 "
    "steph3 travis victor anika"
).split()
"""espeak-ng's voice variants, without whispers and robots."""

OTHER_WORDS = (
    "hello yes no please thank you good morning water house people under over again number letter music "
    "table window always never because before after between children country different example family "
    "father mother follow government group hand home important know large later little money month "
    "night often other paper place point problem program question right room school service small "
    "sometimes state story student study system there thing think today together tomorrow until where "
    "which while white woman word work world would write year young blue green red yellow street river "
    "light sound record open close start stop left"
).split()


def synthesised(seed: int, voices: dict[str, int]) -> list[Piece]:
    """The ten digits in `voices[language]` random voices a language, and six other words in each English one.

    Raises FileNotFoundError if espeak-ng is not installed.
    """
    if shutil.which("espeak-ng") is None:
        raise FileNotFoundError("espeak-ng is not on the PATH; install it: apt install espeak-ng")
    rng = np.random.default_rng(seed)
    pieces = []
    for language, count in voices.items():
        for number in range(count):
            voice = f"{rng.choice(ACCENTS[language])}+{rng.choice(VARIANTS)}"
            options = ["-v", voice, "-s", str(rng.integers(110, 230)), "-p", str(rng.integers(15, 85))]
            speaker = f"{voice}/{number}"
            for digit, word in enumerate(WORDS[language]):
                pieces.append(piece(_spoken(word, options), speaker, language, digit))
            if language == "en":
                for word in rng.choice(OTHER_WORDS, 6, replace=False):
                    pieces.append(piece(_spoken(str(word), options), speaker, language, None))
    return pieces


def _spoken(word: str, options: list[str]) -> np.ndarray:
    """`word` at 16 kHz, without the silence around it."""
    run = subprocess.run(["espeak-ng", *options, "--stdout", word], capture_output=True, check=True)
    with wave.open(io.BytesIO(run.stdout), "rb") as file:
        samples = np.frombuffer(run.stdout[44:], dtype="<i2")  # a stream's header does not know its length
        audio = resampled(samples.astype(np.float32) / 32768, file.getframerate())
    start_s, end_s = speech_bounds(audio)
    return audio[int(max(start_s - 0.03, 0) * SAMPLE_RATE) : int((end_s + 0.03) * SAMPLE_RATE)]


def cached(path: Path, seed: int, voices: dict[str, int]) -> list[Piece]:
    """As `synthesised`, but kept in the file `path`, and read from there if it exists."""
    if not path.exists():
        pieces = synthesised(seed, voices)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            audio=np.concatenate([piece.audio for piece in pieces]),
            samples=[len(piece.audio) for piece in pieces],
            speaker=[piece.speaker for piece in pieces],
            language=[piece.language for piece in pieces],
            digit=[-1 if piece.digit is None else piece.digit for piece in pieces],
        )
    with np.load(path) as kept:
        parts = np.split(kept["audio"], np.cumsum(kept["samples"])[:-1])
        columns = zip(parts, kept["speaker"], kept["language"], kept["digit"], strict=True)
        return [
            piece(audio, str(speaker), str(language), None if digit < 0 else int(digit))
            for audio, speaker, language, digit in columns
        ]
