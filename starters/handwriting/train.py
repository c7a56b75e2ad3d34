"""Train the handwriting starter and measure it on writers it has never seen.

    python starters/handwriting/train.py --data omniglot_latin --fonts /usr/share/fonts --folds

README.md beside this file says where the public data is and how to lay it out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from measuring import accuracy, answers, read_drawings, summary
from safetensors.torch import save_file
from samples import Samples, make_samples, read_letters
from training import fitted
from typefaces import find_typefaces

HERE = Path(__file__).parent
FOLDS = 5  # of three writers each


def main() -> None:
    options = _options()
    torch.set_num_threads(options.processes)
    started_s = time.monotonic()
    letters = read_letters(options.data)
    typefaces = find_typefaces(options.fonts) if options.fonts else []
    samples = make_samples(letters, typefaces, options.per_letter, options.seed, options.processes)
    print(f"{len(samples.ink)} samples of {len(letters)} drawings and {len(typefaces)} typefaces")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.folds:
        metrics = _cross_validated(samples, options)
        print(json.dumps(metrics, indent=2))
        (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    network = fitted(samples, options.steps, options.seed, "all writers")
    weights = options.out / "weights.safetensors"
    save_file(
        {
            name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        },
        weights,
    )
    print(
        f"wrote {weights}, {weights.stat().st_size / 1e6:.2f} MB, after {time.monotonic() - started_s:.0f} s"
    )


def _cross_validated(samples: Samples, options: argparse.Namespace) -> dict[str, object]:
    """Train without three writers and measure on them, until each writer has been left out once."""
    drawings = read_drawings(options.data, options.seed)
    writers = sorted({drawing.writer for drawing in drawings})
    folds = []
    for first in range(FOLDS):
        left_out = writers[first::FOLDS]
        title = f"without {', '.join(left_out)}"
        network = fitted(samples.without(left_out), options.steps, options.seed, title)
        folds.append(answers(network, [drawing for drawing in drawings if drawing.writer in left_out]))
        scans = [answer for answer in folds[-1] if answer.variation == "scan"]
        print(f"{title}: {accuracy(scans):.2%} of theirs right")
    return {"seed": options.seed, "per_letter": options.per_letter, "steps": options.steps, **summary(folds)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with Omniglot's a_01.png, a_01.txt, ..."
    )
    parser.add_argument(
        "--fonts", type=Path, help="folder with the typefaces of typefaces.py; strokes alone without"
    )
    parser.add_argument(
        "--folds", action="store_true", help="first measure by leaving three writers out at a time"
    )
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder for weights.safetensors and metrics.json"
    )
    parser.add_argument("--per-letter", type=int, default=1000, help="drawings made of each letter")
    parser.add_argument(
        "--steps", type=int, default=1000, help="batches of 128 that each network is trained on"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--processes", type=int, default=1, help="processes that draw, and threads that train"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
