"""Rules about `parameters`: Triton checks neither their names nor their values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Severity
from tritonzoo.check.folder import ONNX_BACKEND, Folder
from tritonzoo.check.onnx_header import GraphHeader
from tritonzoo.check.pbtxt import Key
from tritonzoo.check.rule import models, rule
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.parameters import Parameters
from tritonzoo.runtime.ragged import Padding


@rule(on=models, severity=Severity.WARNING)
def parameter_unread(folder: Folder) -> Iterator[Fault]:
    """Every parameter is one that the model's code reads.

    A misspelt one is silently passed over.
    """
    reads = folder.parameter_reads
    for name in sorted(folder.config.parameters) if reads else ():
        if reads is not None and not reads.may_read(name):
            close = difflib.get_close_matches(name, sorted(reads.defaults), 1)
            yield folder.fault(
                f"sets the parameter {name!r}, which nobody reads",
                f"did you mean {close[0]!r}?" if close else "correct its name, or remove it",
                "parameters",
                Key(name),
            )


@rule(on=models)
def parameter_value(folder: Folder) -> Iterator[Fault]:
    """A parameter's text is of the type that the code expects: a number, or a switch."""
    reads = folder.parameter_reads
    values = {name: {"string_value": entry.string_value} for name, entry in folder.config.parameters.items()}
    for name in sorted(values) if reads else ():
        if reads is not None and name in reads.defaults:
            try:
                Parameters({"parameters": values}).get(name, reads.defaults[name])
            except ConfigurationError as error:
                yield folder.fault(str(error), "correct the value", "parameters", Key(name), "value")


@rule(on=models)
def padding(folder: Folder) -> Iterator[Fault]:
    """What `padding`, `padding_mask` and `padding_cut` name are axes of inputs and outputs.

    And every output whose axis follows the padded length is cut back to it.
    """
    if folder.config.backend != ONNX_BACKEND:
        return
    keys = ("padding", "padding_mask", "padding_cut")
    try:
        parsed = Padding.parse(*(folder.parameter(key) for key in keys))
    except ConfigurationError as error:
        key = next(
            (key for key in reversed(keys) if f"'{key}'" in str(error) or f"{key} " in str(error)), keys[0]
        )
        yield folder.fault(str(error), "correct the entry", "parameters", Key(key), "value")
        return
    axes = {name: padded.axis for name, padded in parsed.axes.items()}
    for key, named, tensors, kind in (
        ("padding", axes, folder.inputs, "input"),
        ("padding_cut", dict(parsed.cut), folder.outputs, "output"),
    ):
        for name, axis in named.items():
            path = ("parameters", Key(key), "value")
            if name not in tensors:
                yield folder.fault(
                    f"{key} names {name!r}, which is no {kind}", f"there are: {', '.join(tensors)}", *path
                )
            elif axis >= len(folder.full_dims(tensors[name])):
                yield folder.fault(
                    f"{key} names axis {axis} of {name!r}, which has {len(folder.full_dims(tensors[name]))}",
                    "count from 0, the batch",
                    *path,
                )
    yield from _uncut(folder, axes, dict(parsed.cut))


def _uncut(folder: Folder, axes: dict[str, int], cut: dict[str, int]) -> Iterator[Fault]:
    """Outputs of the graph that follow a padded axis, and are not cut."""
    for path, header in folder.graphs.items():
        if not isinstance(header, GraphHeader):
            continue
        lengths = {
            (header.inputs[name].extents or ())[axis]
            for name, axis in axes.items()
            if name in header.inputs and axis < len(header.inputs[name].extents or ())
        }
        for index, name in enumerate(folder.outputs):
            extents = header.outputs[name].extents if name in header.outputs else None
            for axis, extent in enumerate(extents or ()):
                if isinstance(extent, str) and extent in lengths and cut.get(name) != axis:
                    yield folder.fault(
                        f"axis {axis} of output {name!r} follows the padded length in {path.name}",
                        f"add '{name}:{axis}' to the parameter padding_cut",
                        "output",
                        index,
                        "name",
                    )
