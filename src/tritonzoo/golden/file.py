"""One `golden.npz`: cases of inputs and answers, and how they were recorded.

    about               JSON: variant, sources, versions, the command that made the file, each tensor's type
    0/input/input_ids   the first case; every array in the narrowest type that holds its numbers exactly
    0/output/embedding  of each row at most ROW_NUMBERS numbers, evenly spaced; `shape` in `about` is whole
    0/input/text        bytes of strings one after another, with 0/input/text/lengths

The file is a plain NumPy archive, `numpy.load` reads it; recorded again from the same numbers it has the
same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.errors import RepositoryError
from tritonzoo.lock import write_bytes

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

NAME = "golden.npz"
LARGEST_BYTES = 64 * 1024  # of a file that is committed
ROW_NUMBERS = 1024  # kept of each row of an answer
_NARROWER = (np.uint8, np.int16, np.int32, np.float16)


@dataclass(frozen=True)
class Case:
    """One call: what goes in and, thinned, what the source answers."""

    inputs: Mapping[str, Array]
    answers: Mapping[str, Array]  # numbers as (rows, kept of each), strings as they are
    shapes: Mapping[str, tuple[int, ...]]  # of the whole answers

    @classmethod
    def of(cls, inputs: Mapping[str, Array], answers: Mapping[str, Array]) -> Case:
        return cls(
            inputs,
            {name: thinned(answer) for name, answer in answers.items()},
            {name: answer.shape for name, answer in answers.items()},
        )


@dataclass(frozen=True)
class Golden:
    """What one `golden.npz` holds."""

    variant: str
    sources: tuple[str, ...]
    made_by: str  # the command that repeats it
    cases: tuple[Case, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The archive, compressed."""
        arrays: dict[str, Array] = {}
        described = []
        for number, case in enumerate(self.cases):
            about: dict[str, Any] = {"input": {}, "output": {}}
            for kind, tensors in (("input", case.inputs), ("output", case.answers)):
                for name, array in tensors.items():
                    about[kind][name] = {
                        "dtype": "bytes" if array.dtype == object else array.dtype.name,
                        "shape": list(case.shapes[name] if kind == "output" else array.shape),
                    }
                    arrays |= _packed(f"{number}/{kind}/{name}", array)
            described.append(about)
        about = {
            "variant": self.variant,
            "sources": list(self.sources),
            "made_by": self.made_by,
            "versions": dict(self.versions),
            "cases": described,
        }
        arrays = {"about": np.array(json.dumps(about, sort_keys=True)), **arrays}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for name, array in arrays.items():
                data = io.BytesIO()
                np.save(data, array, allow_pickle=False)
                file.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue(), zipfile.ZIP_DEFLATED)
        return archive.getvalue()

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one step."""
        write_bytes(path, self.to_bytes())

    @classmethod
    def read(cls, path: Path) -> Golden:
        """The file at `path`.

        Raises:
            RepositoryError: it is not there, or is no such file.
        """
        remedy = f"record it: tritonzoo golden {path.parent.name} --record"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                cases = tuple(
                    _case(arrays, number, described) for number, described in enumerate(about.pop("cases"))
                )
                return cls(sources=tuple(about.pop("sources")), cases=cases, **about)
        except FileNotFoundError:
            raise RepositoryError(f"{path}: not found; {remedy}") from None
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise RepositoryError(
                f"{path}: not a golden file of this version ({type(error).__name__}: {error}); {remedy}"
            ) from error


def thinned(answer: Array) -> Array:
    """An answer as (rows, numbers), of each row at most ROW_NUMBERS, evenly spaced; strings stay as is."""
    if answer.dtype.kind not in "biuf" or not answer.ndim:
        return answer
    rows = answer.reshape(len(answer), -1) if answer.size else answer.reshape(len(answer), 0)
    if rows.shape[1] <= ROW_NUMBERS:
        return rows
    kept: Array = rows[:, np.linspace(0, rows.shape[1] - 1, ROW_NUMBERS).astype(int)]
    return kept


def storable(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs whose floats are rounded to float16, which halves the file; the source is asked these.

    Floats that a narrow integer holds exactly (pixels, say) stay; so do those beyond float16.
    """
    return {
        name: array.astype(np.float16).astype(array.dtype)
        if array.dtype.kind == "f"
        and np.abs(array).max(initial=0) <= np.finfo(np.float16).max
        and not _holds(array, np.int16)
        else array
        for name, array in inputs.items()
    }


def _case(arrays: Mapping[str, Array], number: int, about: Mapping[str, Mapping[str, Any]]) -> Case:
    inputs = {
        name: _unpacked(arrays, f"{number}/input/{name}", **kept) for name, kept in about["input"].items()
    }
    answers, shapes = {}, {}
    for name, kept in about["output"].items():
        shapes[name] = tuple(kept["shape"])
        answers[name] = _unpacked(arrays, f"{number}/output/{name}", kept["dtype"], kept["shape"])
    return Case(inputs, answers, shapes)


def _packed(key: str, array: Array) -> dict[str, Array]:
    if array.dtype == object:
        parts: Sequence[bytes] = array.ravel().tolist()
        return {
            key: np.frombuffer(b"".join(parts), np.uint8),
            f"{key}/lengths": np.array([len(part) for part in parts], np.int64),
        }
    for dtype in _NARROWER:
        if np.dtype(dtype).itemsize < array.itemsize and _holds(array, dtype):
            return {key: array.astype(dtype)}
    return {key: array}


def _holds(array: Array, dtype: type[np.number[Any]]) -> bool:
    """Whether a narrower type keeps every number as it is."""
    with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is found by comparing
        return np.array_equal(array.astype(dtype).astype(array.dtype), array)


def _unpacked(arrays: Mapping[str, Array], key: str, dtype: str, shape: Sequence[int]) -> Array:
    if dtype != "bytes":
        return arrays[key].astype(dtype)
    data, ends = arrays[key].tobytes(), np.cumsum(arrays[f"{key}/lengths"]).tolist()
    parts = np.empty(len(ends), object)
    parts[:] = [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return parts.reshape(tuple(shape))
