"""Convert well-known architectures at their real size with both of torch's exporters, and print a table.

    python bench/conversion/measure.py [--small] [--only TITLE]

Each is converted as `tritonzoo convert` does it (with the exporter that it chooses), then exported with the
other one, and both graphs are held against the source model at several batch sizes and lengths.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from architectures import ARCHITECTURES, Architecture, write_tree

from tritonzoo.convert.artifact import SAMPLES_SEED, convert
from tritonzoo.convert.declared import declared_by
from tritonzoo.convert.onnx import ToOnnx, reference_run
from tritonzoo.convert.parity import Parity, Reference, extents_of, run_onnx
from tritonzoo.errors import ConversionError

EXPORTERS = (("torchscript", 17), ("dynamo", 18))
HEADER = (
    "| architecture | parameters | exporter, opset | export | file | largest difference | least cosine |\n"
    "|---|---|---|---|---|---|---|"
)


def rows_of(architecture: Architecture, root: Path, *, small: bool) -> Iterator[str]:
    """One line of the table for each exporter."""
    repository, model = write_tree(root, architecture, small=small)
    started = time.monotonic()
    convert(repository, model, "starter")
    print(f"{architecture.title}: tritonzoo convert took {time.monotonic() - started:.0f} s", file=sys.stderr)

    source = model.recipe_module.load(root / "starters" / architecture.folder)
    inputs, outputs = ([tensor.name for tensor in side] for side in (model.config.input, model.config.output))
    samples = model.recipe_module.samples(np.random.default_rng(SAMPLES_SEED))
    reference = Reference.of(reference_run(source, inputs, outputs), samples)
    print("  compared at " + ", ".join(map(extents_of, reference.samples)), file=sys.stderr)
    parameters = sum(weight.numel() for weight in source.parameters())
    for using, opset in EXPORTERS:
        path = root / f"{using}.onnx"
        to_onnx = ToOnnx(
            inputs, outputs, model.recipe.shapes, declared_by(model.config), using=using, pinned_opset=opset
        )
        started = time.monotonic()
        try:
            exported = to_onnx.export(source, reference.samples[0], path)
        except ConversionError as error:
            yield f"| {architecture.title} | {parameters / 1e6:.1f} M | {using}, {opset} | {error} | | | |"
            continue
        seconds = time.monotonic() - started
        parity = reference.compare(run_onnx(path, inputs, outputs))
        parity.judge(model.recipe.tolerance["fp32"])
        yield (
            f"| {architecture.title} | {parameters / 1e6:.1f} M | {using}, {exported.opset} "
            f"| {seconds:.1f} s | {path.stat().st_size / 1e6:.0f} MB | {_worst(parity)} |"
        )


def _worst(parity: Parity) -> str:
    errors = parity.errors.values()
    return f"{max(error.max_abs for error in errors):.1e} | {min(error.min_cosine for error in errors):.7f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true", help="two layers of 32 dimensions: seconds in all")
    parser.add_argument("--only", default="", help="architectures whose title contains this")
    arguments = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    print(HEADER)
    for architecture in ARCHITECTURES:
        if arguments.only.lower() in architecture.title.lower():
            with tempfile.TemporaryDirectory(prefix="tritonzoo-") as root:
                for row in rows_of(architecture, Path(root), small=arguments.small):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
