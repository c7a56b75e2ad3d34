"""What the command line asks of a soak."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tritonzoo.bench.picture import check_writable
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.progress import console as notices
from tritonzoo.progress import steps
from tritonzoo.repository import Repository
from tritonzoo.serve import loading
from tritonzoo.soak.options import SoakOptions
from tritonzoo.soak.plot import plot as draw
from tritonzoo.soak.run import soak
from tritonzoo.soak.table import print_soak


def run_soak(
    options: SoakOptions,
    *,
    profile: str = "cpu-fp32",
    as_json: bool = False,
    save: Path | None = None,
    plot: Path | None = None,
) -> bool:
    """Soak this tree and print what was found; True when every bound is kept."""
    check_writable(save, "--save")
    check_writable(plot, "--plot")
    tree = Repository.find()
    triton = EmbeddedTriton(ServeOptions(tree.root, Ports.free(), profile=profile))
    with loading(tree, ()) as on_progress:
        triton.start(on_progress)
    with triton, steps("soak") as on_step:
        found = soak(triton, tree, options, on_step)
    if as_json:
        print(found.figures.to_json())  # noqa: T201  what was asked for
    else:
        print_soak(found.figures, Console())
    if save is not None:
        found.figures.save(save)
        notices.print(f"saved {save}", soft_wrap=True)
    if plot is not None:
        draw(found.figures.samples, found.figures.seconds, found.latencies_ms, plot)
        notices.print(f"drawn {plot}", soft_wrap=True)
    return found.figures.is_kept
