"""Train the Whisper starter: a small Whisper for spoken digits, from nothing.

    python starters/whisper/train.py --data FOLDER --work WORK

FOLDER holds the recordings of the Free Spoken Digit Dataset (0_george_0.wav, ...), espeak-ng is installed.
WORK receives the synthesised words and the run's state: an interrupted run, started again, goes on there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from acoustics import Noises
from checkpoint import save
from pieces import read_recordings, split
from scenes import Scenes
from synthetic import cached
from training import Options, fitted

HERE = Path(__file__).parent
VOICES = {"en": 160, "de": 40, "es": 40, "fr": 40}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for what an interrupted run goes on from"
    )
    parser.add_argument("--out", type=Path, default=HERE / "weights", help="folder for the checkpoint")
    parser.add_argument(
        "--start", type=Path, help="state file or checkpoint folder of a finished run to begin with"
    )
    parser.add_argument("--threads", type=int, default=2)
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    arguments = parser.parse_args()
    options = Options(**{name: getattr(arguments, name) for name in vars(Options())})
    torch.set_num_threads(arguments.threads)

    arguments.work.mkdir(parents=True, exist_ok=True)
    recorded, held_out = split(read_recordings(arguments.data))
    synthesised = cached(arguments.work / "espeak.npz", options.seed, VOICES)
    print(
        f"{len(recorded)} recordings, {len(held_out)} held out, {len(synthesised)} synthesised words",
        flush=True,
    )
    others = [piece for piece in synthesised if piece.digit is None]
    noises = Noises(np.random.default_rng(options.seed), others)
    model = fitted(
        Scenes(recorded, synthesised, noises),
        options,
        state=arguments.work / "state.pt",
        weights=arguments.work / "weights",
        start=arguments.start,
    )
    save(model, arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
