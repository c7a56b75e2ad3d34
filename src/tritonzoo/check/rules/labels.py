"""Rules about files of labels: one a line, in the order of the classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.folder import Folder
from tritonzoo.check.rule import models, readable, rule
from tritonzoo.check.steps import sources_of, steps_of

LABELS_BACKEND, LABELS_FILE = "labels", "labels.txt"


@rule(on=readable)
def labels_missing(folder: Folder) -> Iterator[Fault]:
    """A file of labels that the configuration names, or its backend needs, is there."""
    needs_one = folder.config.backend == LABELS_BACKEND
    if needs_one and not _is_there(folder.path / LABELS_FILE):
        yield folder.fault(
            f"{LABELS_FILE} is not there, and the labels backend needs it",
            "write one label a line, in the order of the classes",
            "backend",
        )
    for index, tensor in enumerate(folder.config.output):
        if tensor.label_filename and not _is_there(folder.path / tensor.label_filename):
            yield folder.fault(
                f"label_filename {tensor.label_filename!r} is not there",
                "write one label a line, in the order of the classes",
                "output",
                index,
                "label_filename",
            )


def _is_there(path: Path) -> bool:
    """A link to nothing, or a folder in the file's place, is told by rules of its own."""
    return path.exists() or path.is_symlink()


@rule(on=models)
def labels_content(folder: Folder) -> Iterator[Fault]:
    """Labels are UTF-8 text, at least one, none of them twice."""
    for path in sorted({path for path, _, _ in _uses(folder)}):
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError as error:
            yield Fault(Place(path, 1), f"is not UTF-8 at byte {error.start}", "save it as UTF-8")
            continue
        if lines and lines[0].startswith("\ufeff"):
            yield Fault(
                Place(path, 1, 1),
                "begins with a byte order mark, which becomes a part of the first label",
                "save it as UTF-8 without one",
            )
        if not any(line.strip() for line in lines):
            yield Fault(Place(path, 1), "is empty", "write one label a line, in the order of the classes")
        seen: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            label = line.strip()
            if label in seen:
                yield Fault(
                    Place(path, number), f"{label!r} stands in line {seen[label]} too", "name each class once"
                )
            elif label:
                seen[label] = number


@rule(on=models)
def labels_count(folder: Folder) -> Iterator[Fault]:
    """There is a label for each class that the model before gives.

    Followed through ensembles: from labels.txt to the step that writes the probabilities, and to its graph.
    """
    told: set[tuple[Path, int]] = set()
    for path, classes, what in _uses(folder):
        try:
            lines = [
                number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if line.strip()
            ]
        except UnicodeDecodeError:
            continue
        if classes is not None and lines and len(lines) != classes and (path, classes) not in told:
            told.add((path, classes))
            yield Fault(
                Place(path, lines[-1]),
                f"has {len(lines)} labels, and {what} has {classes} classes",
                "name each class once, in the order of the classes",
            )


def _uses(folder: Folder) -> Iterator[tuple[Path, int | None, str]]:
    """(file, how many classes come, what gives them) of each use of a file of labels that is there."""
    for tensor in folder.config.output:
        path = Path(os.path.normpath(folder.path / tensor.label_filename))
        if tensor.label_filename and path.is_file():
            yield path, _extent(folder, tensor), f"output {tensor.name!r}"
    path = folder.path / LABELS_FILE
    if folder.config.backend != LABELS_BACKEND or not path.is_file():
        return
    for name, tensor in folder.inputs.items():
        fixed = tensor.dims[-1] if tensor.dims and tensor.dims[-1] > 0 else None
        yield path, fixed, f"input {name!r}"
    for ensemble in folder.tree.folders:
        if not ensemble.is_readable or not ensemble.is_ensemble:
            continue
        sources = sources_of(ensemble)
        for step in steps_of(ensemble):
            for link in step.reads() if step.member is folder else ():
                source = sources.get(link.ours)
                if source is not None and source.owner is not ensemble:
                    yield path, _extent(source.owner, source.tensor), f"{source.what} in {ensemble.name}"


def _extent(owner: Folder, tensor: object) -> int | None:
    """The last extent of an output, by its config or else by its graph; None where it varies."""
    dims = list(getattr(tensor, "dims", ()))
    if dims and dims[-1] > 0:
        return int(dims[-1])
    return owner.graph_extent(getattr(tensor, "name", ""), -1)
