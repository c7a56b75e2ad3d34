"""Rules about a recipe.py, and its agreement with config.pbtxt."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import ONNX_BACKEND, Folder
from tritonzoo.check.recipe_source import RecipeSource
from tritonzoo.check.rule import every, models, rule
from tritonzoo.convert.opset import ONNXRUNTIME, OPSETS, opset_for
from tritonzoo.errors import RecipeError
from tritonzoo.lock import sha256_of
from tritonzoo.recipe import Starter


def with_recipe(folder: Folder) -> bool:
    """Folders that have a recipe."""
    return every(folder) and folder.recipe is not None


def exported(folder: Folder) -> bool:
    """Models whose recipe loads, and exports them, as one graph or as several."""
    recipe = folder.recipe.recipe if folder.recipe else None
    return models(folder) and recipe is not None and recipe.is_exported


def shaped(folder: Folder) -> bool:
    """Models whose recipe says the shapes itself: of one graph, whose inputs are those of config.pbtxt."""
    recipe = _source(folder).recipe if exported(folder) else None
    return recipe is not None and bool(recipe.shapes)


def _source(folder: Folder) -> RecipeSource:
    assert folder.recipe is not None
    return folder.recipe


@rule(on=with_recipe)
def recipe_heavy_import(folder: Folder) -> Iterator[Fault]:
    """A recipe imports no training framework at its top.

    Every command reads every recipe, also where nothing is converted: `load` imports what it needs.
    """
    source = _source(folder)
    for package, line in source.heavy_imports:
        yield Fault(
            Place(source.source.path, line),
            f"imports {package} at its top",
            "import it in the function that needs it (for types, under `if TYPE_CHECKING:`)",
        )


@rule(on=with_recipe)
def recipe_loads(folder: Folder) -> Iterator[Fault]:
    """A recipe can be imported and defines `recipe = Recipe(...)`."""
    source = _source(folder)
    if source.failure is not None:
        message, line = source.failure
        yield Fault(Place(source.source.path, line), message, "correct recipe.py; see docs/conversion.md")


@rule(on=exported)
def recipe_functions(folder: Folder) -> Iterator[Fault]:
    """An exported model's recipe defines `load` and `samples`; of several graphs, `load` brings these."""
    source = _source(folder)
    for name in ("load", "samples") if shaped(folder) else ("load",):
        if not callable(getattr(source.module, name, None)):
            yield source.fault(
                f"exports the model and defines no {name}()",
                "def load(weights): ..." if name == "load" else "def samples(rng): yield {input: array, ...}",
            )
        else:
            yield from _uncallable(source, name)


def _uncallable(source: RecipeSource, name: str) -> Iterator[Fault]:
    """A fault where `load` does not take a path for each source, or `samples` no generator."""
    assert source.recipe is not None
    function = getattr(source.module, name)
    counts = (
        {1} if name == "samples" else {len(source.recipe.sources_of(key)) for key in source.recipe.sources}
    )
    for count in sorted(counts):
        try:
            inspect.signature(function).bind(*range(count))
        except TypeError:
            given = "a random generator" if name == "samples" else f"a path for each source, here {count}"
            yield Fault(
                Place(source.source.path, getattr(getattr(function, "__code__", None), "co_firstlineno", 1)),
                f"{name}{inspect.signature(function)} is given {given}, and does not take that",
                "def samples(rng): ..." if name == "samples" else f"take {count}, or *weights",
            )


@rule(on=shaped)
def recipe_input(folder: Folder) -> Iterator[Fault]:
    """A recipe gives shapes for each input of config.pbtxt, and for no other."""
    source = _source(folder)
    shapes = source.recipe.shapes if source.recipe else {}
    for name in shapes:
        if name not in folder.inputs:
            yield source.fault(
                f"gives shapes for {name!r}, which config.pbtxt does not have as an input",
                f"there are: {', '.join(folder.inputs)}",
                "shapes",
                name,
            )
    missing = [name for name in folder.inputs if name not in shapes]
    if missing:
        yield source.fault(
            f"gives no shapes for {', '.join(missing)}", "give each input its min, opt and max", "shapes"
        )


@rule(on=shaped)
def recipe_shape(folder: Folder) -> Iterator[Fault]:
    """The shapes of an input have the rank and the fixed dimensions of config.pbtxt, batch first."""
    source = _source(folder)
    for name, shapes in (source.recipe.shapes if source.recipe else {}).items():
        if name not in folder.inputs:
            continue
        full = folder.full_dims(folder.inputs[name])
        if len(shapes.max) != len(full):
            yield source.fault(
                f"gives {name!r} rank {len(shapes.max)}, config.pbtxt rank {len(full)} (batch included)",
                f"give {len(full)} extents",
                "shapes",
                name,
            )
            continue
        for axis, dim in enumerate(full):
            if dim != -1 and not shapes.min[axis] == dim == shapes.max[axis]:
                yield source.fault(
                    f"gives axis {axis} of {name!r} {shapes.min[axis]} to {shapes.max[axis]}, config.pbtxt "
                    f"fixes it at {dim}",
                    f"write {dim} in min, opt and max, or -1 in config.pbtxt",
                    "shapes",
                    name,
                )


@rule(on=shaped)
def recipe_rows_differ(folder: Folder) -> Iterator[Fault]:
    """All inputs have the same rows in min, and in opt: they share the batch.

    What max says of them is compared with `max_batch_size`, below.
    """
    source = _source(folder)
    shapes = source.recipe.shapes if source.recipe else {}
    rows = {name: (each.min[0], each.opt[0]) for name, each in shapes.items() if each.max}
    first = next(iter(rows), "")
    for name, extents in rows.items() if folder.batches else ():
        if extents != rows[first]:
            yield source.fault(
                f"gives {name!r} {extents} rows (min, opt) and {first!r} {rows[first]}",
                "give both the same: axis 0 is the batch",
                "shapes",
                name,
            )


@rule(on=shaped)
def recipe_batch(folder: Folder) -> Iterator[Fault]:
    """The profile has no more rows than `max_batch_size`."""
    source, most = _source(folder), folder.config.max_batch_size
    for name, shapes in (source.recipe.shapes if source.recipe else {}).items():
        ranks_agree = name in folder.inputs and len(shapes.max) == len(folder.full_dims(folder.inputs[name]))
        if 0 < most < shapes.max[0] and ranks_agree:
            yield source.fault(
                f"lets {name!r} have {shapes.max[0]} rows, and max_batch_size is {most}",
                f"write {most} in max, or raise max_batch_size",
                "shapes",
                name,
            )


@rule(on=shaped, severity=Severity.WARNING)
def recipe_batch_uncovered(folder: Folder) -> Iterator[Fault]:
    """The profile covers `max_batch_size`.

    A TensorRT plan refuses what its profile does not cover, and no sample ever tried it.
    """
    source, most = _source(folder), folder.config.max_batch_size
    for name, shapes in (source.recipe.shapes if source.recipe else {}).items():
        if folder.batches and shapes.max[0] < most and 0 in shapes.dynamic_axes:
            yield source.fault(
                f"covers {shapes.max[0]} rows of {name!r}, and max_batch_size lets in {most}",
                f"write {most} in max, or lower max_batch_size",
                "shapes",
                name,
            )


@rule(on=exported)
def recipe_opset(folder: Folder) -> Iterator[Fault]:
    """A pinned opset is one that every server reads."""
    source = _source(folder)
    if source.recipe is None or folder.config.backend != ONNX_BACKEND:
        return
    pinned: dict[tuple[str, ...], int | None] = {("opset",): source.recipe.opset}
    pinned |= {("graphs", name): graph.opset for name, graph in source.recipe.graphs.items()}
    for path, opset in pinned.items():
        try:
            opset_for(ONNXRUNTIME, opset)
        except RecipeError as error:
            lowest, highest = OPSETS[ONNXRUNTIME].lowest, OPSETS[ONNXRUNTIME].highest
            yield source.fault(str(error), f"write {lowest} to {highest}", *path)


@rule(on=with_recipe)
def recipe_starter(folder: Folder) -> Iterator[Fault]:
    """The starter weights that a recipe pins are committed, byte for byte."""
    source = _source(folder)
    recipe = source.recipe
    for variant in recipe.sources if recipe else ():
        for starter in recipe.sources_of(variant) if recipe else ():
            if not isinstance(starter, Starter):
                continue
            weights = folder.tree.root / "starters" / starter.name
            if not weights.is_dir():
                yield source.fault(
                    f"takes {starter}, which is not there",
                    "correct the name, or add the folder",
                    "sources",
                    variant,
                )
                continue
            for name, digest in starter.sha256.items():
                if not (weights / name).is_file():
                    yield source.fault(
                        f"pins {starter}/{name}, which is not there", "correct the name", "sources", variant
                    )
                elif sha256_of(weights / name) != digest:
                    yield source.fault(
                        f"pins {starter}/{name} at another sha256 than it has",
                        f"write {sha256_of(weights / name)}, if the new weights are meant",
                        "sources",
                        variant,
                    )
