"""Rules about golden.npz: what the source model answered to a few inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.folder import Folder, fit, type_name
from tritonzoo.check.rule import readable, rule
from tritonzoo.errors import RepositoryError
from tritonzoo.golden.file import NAME, Golden
from tritonzoo.runtime.tensors import NUMPY_DTYPES


def recorded(folder: Folder) -> bool:
    """Folders whose config.pbtxt parses and that have a golden.npz."""
    return readable(folder) and (folder.path / NAME).is_file()


def _golden(folder: Folder) -> Golden | RepositoryError:
    try:
        return Golden.read(folder.path / NAME)
    except RepositoryError as error:
        return error


def _remedy(folder: Folder) -> str:
    return f"record it again: tritonzoo golden {folder.name} --record"


@rule(on=recorded)
def golden_unreadable(folder: Folder) -> Iterator[Fault]:
    """golden.npz is what `tritonzoo golden --record` writes."""
    if isinstance(_golden(folder), RepositoryError):
        yield Fault(
            Place(folder.path / NAME), "is no file of recorded answers, or a part of one", _remedy(folder)
        )


@rule(on=recorded)
def golden_tensors(folder: Folder) -> Iterator[Fault]:
    """The recorded inputs and answers are tensors of config.pbtxt, of its shapes; the inputs of its types."""
    golden = _golden(folder)
    if isinstance(golden, RepositoryError):
        return
    told: set[str] = set()
    for case in golden.cases:
        shapes = {name: array.shape for name, array in case.inputs.items()}
        for side, declared, found in (
            ("input", folder.inputs, shapes),
            ("output", folder.outputs, case.shapes),
        ):
            for message in _differing(folder, side, declared, found):
                told.add(message)
        for name, array in case.inputs.items():
            wanted = _dtype(folder.inputs.get(name))
            if wanted is not None and wanted != array.dtype:
                told.add(f"has input {name!r} as {array.dtype}, and config.pbtxt says {wanted}")
    for message in sorted(told):
        yield Fault(Place(folder.path / NAME), message, _remedy(folder))


def _differing(
    folder: Folder, side: str, declared: Mapping[str, Any], found: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    for name, shape in found.items():
        if name not in declared:
            yield f"has {side} {name!r}, which config.pbtxt does not have ({', '.join(declared)})"
        elif declared[name].dims and not fit(tuple(shape), folder.full_dims(declared[name])):
            yield (
                f"has {side} {name!r} of shape {list(shape)}, and config.pbtxt says "
                f"{list(folder.full_dims(declared[name]))}" + (" (batch first)" if folder.batches else "")
            )


def _dtype(tensor: Any) -> Any:
    return None if tensor is None else NUMPY_DTYPES.get(type_name(tensor.data_type))
