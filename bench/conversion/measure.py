"""Export well-known architectures at their real size with both of torch's exporters, and print a table.

    python bench/conversion/measure.py [--small] [--only TITLE] [--convert]

Weights are random, drawn on the spot. Each graph is held against the source model at several batch sizes
and lengths. Times are of the processor (user and system), so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from architectures import ARCHITECTURES, Architecture, write_tree

from tritonzoo.convert.artifact import begin, convert
from tritonzoo.convert.declared import declared_by
from tritonzoo.convert.onnx import ToOnnx
from tritonzoo.convert.parity import Parity, extents_of
from tritonzoo.errors import ConversionError

EXPORTERS = (("torchscript", 17), ("dynamo", 18))
HEADER = (
    "| architecture | parameters | exporter, opset | export, CPU | file | largest error | least cosine |\n"
    "|---|---|---|---|---|---|---|"
)


def rows_of(architecture: Architecture, root: Path, *, small: bool, whole: bool) -> Iterator[str]:
    """One line of the table for each exporter; `whole` runs all of `tritonzoo convert` as well."""
    repository, model = write_tree(root, architecture, small=small)
    conversion = begin(repository, model, "starter", lambda step: None)
    parameters = sum(weight.numel() for weight in conversion.source.parameters())
    extents = ", ".join(map(extents_of, conversion.reference.samples))
    print(f"{architecture.title}: compared at {extents}", file=sys.stderr)
    for using, opset in EXPORTERS:
        path = root / f"{using}.onnx"
        to_onnx = ToOnnx(
            conversion.inputs,
            conversion.outputs,
            model.recipe.shapes,
            declared_by(model.config),
            using=using,
            pinned_opset=opset,
        )
        started_s = time.process_time()
        try:
            exported = to_onnx.export(conversion.source, conversion.reference.samples[0], path)
        except ConversionError as error:
            yield f"| {architecture.title} | {parameters / 1e6:.1f} M | {using}, {opset} | {error} | | | |"
            continue
        export_s = time.process_time() - started_s
        parity = conversion.compare(path)
        parity.judge(conversion.tolerance("fp32"))
        yield (
            f"| {architecture.title} | {parameters / 1e6:.1f} M | {using}, {exported.opset} "
            f"| {export_s:.1f} s | {path.stat().st_size / 1e6:.0f} MB | {_worst(parity)} |"
        )
    if whole:
        started_s = time.process_time()
        entries = convert(repository, model, "starter")
        print(
            f"  tritonzoo convert: {', '.join(entries)} proved in {time.process_time() - started_s:.0f} s "
            f"of the processor",
            file=sys.stderr,
        )


def _worst(parity: Parity) -> str:
    errors = parity.errors.values()
    return f"{max(error.max_abs for error in errors):.1e} | {min(error.min_cosine for error in errors):.7f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true", help="two layers of 32 dimensions: seconds in all")
    parser.add_argument("--only", default="", help="architectures whose title contains this")
    parser.add_argument("--convert", action="store_true", help="run all of `tritonzoo convert` as well")
    arguments = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    print(HEADER)
    for architecture in ARCHITECTURES:
        if arguments.only.lower() in architecture.title.lower():
            with tempfile.TemporaryDirectory(prefix="tritonzoo-") as root:
                rows = rows_of(architecture, Path(root), small=arguments.small, whole=arguments.convert)
                for row in rows:
                    print(row, flush=True)


if __name__ == "__main__":
    main()
