"""Inputs and outputs as config.pbtxt declares them, and answers held to that declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.errors import ConfigurationError, WrongAnswerError

Array = NDArray[Any]

NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = {
    "TYPE_BOOL": np.dtype(np.bool_),
    "TYPE_UINT8": np.dtype(np.uint8),
    "TYPE_UINT16": np.dtype(np.uint16),
    "TYPE_UINT32": np.dtype(np.uint32),
    "TYPE_UINT64": np.dtype(np.uint64),
    "TYPE_INT8": np.dtype(np.int8),
    "TYPE_INT16": np.dtype(np.int16),
    "TYPE_INT32": np.dtype(np.int32),
    "TYPE_INT64": np.dtype(np.int64),
    "TYPE_FP16": np.dtype(np.float16),
    "TYPE_FP32": np.dtype(np.float32),
    "TYPE_FP64": np.dtype(np.float64),
    "TYPE_STRING": np.dtype(np.object_),
}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model as its config.pbtxt declares it.

    `shape` is what the model sees: the batch axis first (-1) where the model batches, -1 for an axis
    that varies, and `reshape` applied where the configuration has one.
    """

    name: str
    data_type: str  # Triton's name, such as TYPE_FP32
    shape: tuple[int, ...]
    optional: bool = False
    ragged: bool = False  # requests of different shapes share a batch

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype; `object` (of bytes) for TYPE_STRING."""
        return NUMPY_DTYPES[self.data_type]

    def conform(self, value: Any, batch_size: int | None) -> Array:
        """`value` as the array that this output promises, or WrongAnswerError.

        Integers become another integer type when every value fits, floats another float type; text
        becomes UTF-8. Nothing else is converted. `batch_size` is None for a model that does not batch.
        """
        array = self._as_text(value) if self.data_type == "TYPE_STRING" else self._as_numbers(value)
        expected = self.shape if batch_size is None else (batch_size, *self.shape[1:])
        if not fits(array.shape, expected):
            raise WrongAnswerError(
                f"output '{self.name}' has shape {list(array.shape)}, config.pbtxt promises {list(expected)}"
            )
        return array

    def _as_numbers(self, value: Any) -> Array:
        array = np.asarray(value)
        want, have = self.dtype, array.dtype
        if have == want:
            return array
        if np.can_cast(have, want, "safe") or (have.kind == want.kind == "f"):
            return array.astype(want)
        if have.kind in "iu" and want.kind in "iu":
            limits = np.iinfo(want)
            if array.size == 0 or (int(array.min()) >= limits.min and int(array.max()) <= limits.max):
                return array.astype(want)
        raise WrongAnswerError(f"output '{self.name}' is {have}, config.pbtxt promises {self.data_type}")

    def _as_text(self, value: Any) -> Array:
        array = np.array(value, dtype=object)
        flat = array.reshape(-1)
        for place, item in enumerate(flat):
            if isinstance(item, str):
                flat[place] = item.encode()
            elif not isinstance(item, bytes):
                raise WrongAnswerError(
                    f"output '{self.name}' holds {type(item).__name__}, config.pbtxt promises TYPE_STRING,"
                    " that is str or bytes"
                )
        return array


def fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether `shape` has the rank of `expected` and its sizes, where -1 allows any."""
    return len(shape) == len(expected) and all(
        want in (-1, have) for have, want in zip(shape, expected, strict=True)
    )


def tensor_specs(config: Mapping[str, Any], side: str) -> dict[str, TensorSpec]:
    """The tensors of one side ("input" or "output") of a model configuration, by name, in its order.

    `config` is the model configuration as Triton hands it to `initialize`. Raises ConfigurationError
    for a data type that NumPy has no counterpart of.
    """
    batch_axis = (-1,) if config["max_batch_size"] > 0 else ()
    specs = {}
    for entry in config[side]:
        if entry["data_type"] not in NUMPY_DTYPES:
            raise ConfigurationError(
                f"{side} '{entry['name']}' is {entry['data_type']}, which a Python model cannot hold;"
                f" it can be one of {', '.join(NUMPY_DTYPES)}"
            )
        dims = entry["reshape"]["shape"] if "reshape" in entry else entry["dims"]
        specs[entry["name"]] = TensorSpec(
            name=entry["name"],
            data_type=entry["data_type"],
            shape=batch_axis + tuple(int(dim) for dim in dims),
            optional=entry.get("optional", False),
            ragged=entry.get("allow_ragged_batch", False),
        )
    return specs
