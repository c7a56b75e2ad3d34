"""What the command line asks of a benchmark: where, over what, and what becomes of the figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tritonzoo.bench.apache import command, described, write_bodies
from tritonzoo.bench.compare import named, print_comparison
from tritonzoo.bench.inputs import inputs_of
from tritonzoo.bench.options import BenchOptions
from tritonzoo.bench.picture import check_writable
from tritonzoo.bench.plot import plot
from tritonzoo.bench.run import bench
from tritonzoo.bench.table import print_figures
from tritonzoo.bench.target import target
from tritonzoo.errors import BenchError
from tritonzoo.progress import console as notices
from tritonzoo.progress import steps
from tritonzoo.repository import Repository

COMPARE = "compare"  # in place of a pipeline


@dataclass(frozen=True)
class BenchCommand:
    """Everything but the load itself."""

    url: str = ""  # empty: this tree, served meanwhile
    profile: str = "cpu-fp32"
    inputs: Path | None = None
    labels: Path | None = None
    as_json: bool = False
    save: Path | None = None
    plot: Path | None = None


def run_bench(pipeline: str, options: BenchOptions, wanted: BenchCommand) -> bool:
    """Measure and print; True when no request failed."""
    check_writable(wanted.save, "--save")
    check_writable(wanted.plot, "--plot")
    with (
        target(pipeline, wanted.url, options.protocol, wanted.profile) as server,
        steps(pipeline) as on_step,
    ):
        figures = bench(server, pipeline, options, wanted.inputs, wanted.labels, on_step)
    if wanted.as_json:
        print(figures.to_json())  # noqa: T201  what was asked for
    else:
        print_figures(figures, Console())
    if wanted.save is not None:
        figures.save(wanted.save)
        notices.print(f"saved {wanted.save}; see `tritonzoo bench compare`", soft_wrap=True)
    if wanted.plot is not None:
        plot({pipeline: figures}, wanted.plot)
        notices.print(f"drawn {wanted.plot}", soft_wrap=True)
    return not any(point.errors for point in figures.points)


def write_ab(pipeline: str, options: BenchOptions, wanted: BenchCommand, folder: Path) -> None:
    """Write a body for each input into `folder`, and print the command that sends the first."""
    inputs = inputs_of(one := described(Repository.find().model(pipeline)), wanted.inputs, None)
    written = write_bodies(one, inputs, folder)
    clients = next((int(load.value) for load in options.loads if load.kind == "concurrency"), 1)
    url = wanted.url if wanted.url.startswith("http") else "http://localhost:8000"
    notices.print(
        f"{len(written)} bodies in {folder}; with `tritonzoo serve` in another shell:", soft_wrap=True
    )
    print(command(pipeline, written[0], url, clients, options.seconds))  # noqa: T201  to be run


def run_compare(files: list[Path], picture: Path | None) -> None:
    """Print two saved benchmarks side by side, and draw them."""
    if len(files) != 2:
        raise BenchError(f"`tritonzoo bench {COMPARE}` takes two files that --save wrote, not {len(files)}")
    check_writable(picture, "--plot")
    first, second = files
    one, other = print_comparison(first, second, Console())
    if picture is not None:
        plot(dict(zip(named(first, second), (one, other), strict=True)), picture)
        notices.print(f"drawn {picture}", soft_wrap=True)
