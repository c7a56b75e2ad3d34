"""Rules about a config.pbtxt and the ONNX graphs beside it, as far as these are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.folder import Folder, type_name
from tritonzoo.check.onnx_header import IS_POINTER, Extent, GraphHeader, GraphTensor, UnreadableGraph
from tritonzoo.check.rule import models, rule

# The newest that each server's ONNX Runtime reads: 1.19 in NVIDIA's image 24.10 (tried with 1.19.2), and
# the 1.23 of the embedded server.
_READ_BY = {
    "ONNX Runtime 1.19 of NVIDIA's 24.10": (21, 10),
    "ONNX Runtime 1.23 of the embedded server": (23, 11),
}
_KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft")
_SIDES = ("input", "output")


def _headers(folder: Folder) -> Iterator[tuple[Path, GraphHeader]]:
    for path, header in folder.graphs.items():
        if isinstance(header, GraphHeader):
            yield path, header


def _sides(
    folder: Folder,
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, GraphTensor]]]:
    """(file, side, what is declared, what the graph has) of each graph."""
    for path, header in _headers(folder):
        yield path.name, "input", folder.inputs, header.inputs
        yield path.name, "output", folder.outputs, header.outputs


def _pairs(folder: Folder) -> Iterator[tuple[str, str, int, Any, GraphTensor]]:
    """(file, side, index, declaration, graph's tensor) of each tensor that both have."""
    for file, side, declared, found in _sides(folder):
        for index, (name, tensor) in enumerate(declared.items()):
            if name in found:
                yield file, side, index, tensor, found[name]


@rule(on=models)
def graph_unreadable(folder: Folder) -> Iterator[Fault]:
    """An ONNX file is a whole ONNX model."""
    for path, header in folder.graphs.items():
        if isinstance(header, UnreadableGraph) and header != IS_POINTER:  # told by file-not-fetched
            yield Fault(Place(path), header.reason, f"make it again: tritonzoo convert {folder.name} --force")


@rule(on=models)
def graph_weights_missing(folder: Folder) -> Iterator[Fault]:
    """The files that hold a graph's weights lie beside it."""
    for path, header in _headers(folder):
        for name, least in sorted(header.external_files.items()):
            held = path.parent / name
            if held.is_file() and held.stat().st_size < least:
                yield Fault(
                    Place(held),
                    f"has {held.stat().st_size} bytes, and {path.name} keeps weights in it up to {least}",
                    f"make the model again: tritonzoo convert {folder.name} --force",
                )
            elif not held.is_file():
                yield Fault(
                    Place(path),
                    f"keeps weights in {name}, which is not beside it",
                    f"put it there, or make the model again: tritonzoo convert {folder.name} --force",
                )


@rule(on=models)
def graph_unknown_tensor(folder: Folder) -> Iterator[Fault]:
    """Every input and output of config.pbtxt is one of the graph's."""
    for file, side, declared, found in _sides(folder):
        for index, name in enumerate(declared):
            if name and name not in found:
                yield folder.fault(
                    f"{side} {name!r} is not in {file}, which has {', '.join(sorted(found)) or 'none'}",
                    "correct the name, or export the graph with it",
                    side,
                    index,
                    "name",
                )


@rule(on=models)
def graph_undeclared_input(folder: Folder) -> Iterator[Fault]:
    """Every input of the graph is declared; its outputs may be left out."""
    for file, side, declared, found in _sides(folder):
        for name, tensor in found.items() if side == "input" else ():
            if name not in declared:
                dims = [extent if isinstance(extent, int) else -1 for extent in tensor.extents or ()]
                dims = dims[1:] if folder.batches else dims
                yield folder.fault(
                    f"{file} needs the input {name!r}, which is not declared",
                    f'add {{ name: "{name}" data_type: {tensor.data_type} dims: {dims} }}',
                    "input",
                )


@rule(on=models)
def graph_data_type(folder: Folder) -> Iterator[Fault]:
    """A tensor has the data type that the graph gives it."""
    for file, side, index, declared, found in _pairs(folder):
        name = type_name(declared.data_type)
        if found.data_type and name not in ("TYPE_INVALID", found.data_type):
            yield folder.fault(
                f"{side} {declared.name!r} is {name} here and {found.data_type} in {file}",
                f"write data_type: {found.data_type}",
                side,
                index,
                "data_type",
            )


@rule(on=models)
def graph_not_a_tensor(folder: Folder) -> Iterator[Fault]:
    """What goes in and comes out of a graph are tensors of types that Triton has.

    ONNX also knows sequences, maps and optional values; Triton knows none of them.
    """
    for file, side, index, declared, found in _pairs(folder):
        if not found.data_type:
            yield folder.fault(
                f"{side} {declared.name!r} is no tensor in {file}, or of a type that Triton does not have",
                "export the graph with tensors at its ends",
                side,
                index,
                "name",
            )


@rule(on=models)
def graph_rank(folder: Folder) -> Iterator[Fault]:
    """A tensor has the rank of the graph's, the batch axis included."""
    for file, side, index, declared, found in _pairs(folder):
        if found.extents is None or not declared.dims:
            continue
        full = folder.computed_dims(declared)
        if len(full) != len(found.extents):
            batch = " with the batch" if folder.batches else ""
            yield folder.fault(
                f"{side} {declared.name!r} has {len(full)} axes{batch} here and {len(found.extents)} in "
                f"{file} ({_extents(found)})",
                f"write dims: {_dims(found, folder)}",
                side,
                index,
                "dims",
            )


@rule(on=models)
def graph_dims(folder: Folder) -> Iterator[Fault]:
    """A fixed dimension is the graph's; -1 stands for any."""
    for file, side, index, declared, found in _pairs(folder):
        full = folder.computed_dims(declared)
        if found.extents is None or len(found.extents) != len(full):
            continue
        first = 1 if folder.batches else 0
        for axis in range(first, len(full)):
            extent = found.extents[axis]
            if isinstance(extent, int) and full[axis] not in (-1, extent):
                yield folder.fault(
                    f"{side} {declared.name!r} has the dimension {full[axis]} here and {extent} in {file}",
                    f"write dims: {_dims(found, folder)}",
                    side,
                    index,
                    "dims",
                    axis - first,
                )


@rule(on=models)
def graph_batch(folder: Folder) -> Iterator[Fault]:
    """Where `max_batch_size` is above 0, the graph's first axis varies."""
    if not folder.batches:
        return
    fixed = [
        pair
        for pair in _pairs(folder)
        if len(pair[4].extents or ()) == len(folder.computed_dims(pair[3]))
        and isinstance(_first(pair[4]), int)
        and not _first(pair[4]) == folder.config.max_batch_size == 1
    ]
    fixed_inputs = [pair for pair in fixed if pair[1] == "input"]  # what fixes the outputs, too
    for file, side, index, declared, found in fixed_inputs or fixed:
        yield folder.fault(
            f"{side} {declared.name!r} has a batch of {_first(found)} fixed in {file}, and max_batch_size is "
            f"{folder.config.max_batch_size}",
            "export it with a batch axis that varies, or write max_batch_size: 0 and dims: "
            f"{_dims(found, folder, batched=False)}",
            side,
            index,
            "dims",
        )


@rule(on=models)
def graph_opset(folder: Folder) -> Iterator[Fault]:
    """Every server can read the graph's opset and file format.

    A committed config.pbtxt is served embedded and by NVIDIA's image, so that the older ONNX Runtime counts.
    """
    for path, header in _headers(folder):
        if not header.opsets:
            yield Fault(
                Place(path),
                "does not say in which opset it is written",
                f"make the model again: tritonzoo convert {folder.name} --force",
            )
        opset = header.opsets.get("", 0)
        refusing = [
            f"{server} reads opset {most} and IR {newest}"
            for server, (most, newest) in _READ_BY.items()
            if opset > most or header.ir_version > newest
        ]
        if refusing:
            yield Fault(
                Place(path),
                f"is written in opset {opset}, IR version {header.ir_version}; {' and '.join(refusing)}",
                f"pin opset=21 or lower in recipe.py, then: tritonzoo convert {folder.name} --force",
            )


@rule(on=models)
def graph_operators(folder: Folder) -> Iterator[Fault]:
    """A graph uses operators of ONNX and of ONNX Runtime only.

    Others need a library that no server of the tree has.
    """
    if folder.config.model_operations.op_library_filename:
        return
    for path, header in _headers(folder):
        unknown = sorted(
            domain for domain in header.domains if not domain.startswith(_KNOWN_DOMAINS[1:]) and domain
        )
        if unknown:
            yield Fault(
                Place(path),
                f"uses operators of {', '.join(unknown)}, which ONNX Runtime does not have",
                "export without them, or name their library in model_operations",
            )


def _first(tensor: GraphTensor) -> Extent:
    return tensor.extents[0] if tensor.extents else None


def _dims(tensor: GraphTensor, folder: Folder, *, batched: bool = True) -> list[int]:
    """What config.pbtxt would say of a graph's tensor."""
    extents = [extent if isinstance(extent, int) else -1 for extent in tensor.extents or ()]
    return extents[1:] if folder.batches and batched else extents


def _extents(tensor: GraphTensor) -> str:
    return ", ".join("?" if extent is None else str(extent) for extent in tensor.extents or ())
