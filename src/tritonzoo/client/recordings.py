"""A recording as a caller has it: a file's path, its bytes, or samples."""

from __future__ import annotations

import io
import os
import struct
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tritonzoo.client.tensors import file_bytes
from tritonzoo.client.transport import Array
from tritonzoo.errors import InvalidInputError

SAMPLE_RATE_HZ = 16_000

AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | NDArray[Any]"


def recording_inputs(source: object) -> dict[str, Array]:
    """What a pipeline that takes `audio` or `waveform` is sent.

    A path or bytes become `audio`; an array of samples, 16 kHz mono, becomes `waveform`: floats from -1 to
    1, or 16-bit integers. Raises InvalidInputError for anything else, and where there is no such file.
    """
    if isinstance(source, np.ndarray):
        return {"waveform": _samples(source)}
    return {"audio": np.array([file_bytes(source)], dtype=object)}


def recording_file(source: object) -> dict[str, Array]:
    """The same as a file always, for a way to the server that carries samples badly (JSON).

    Samples become a WAV file of 32-bit floats, which loses nothing.
    """
    if isinstance(source, np.ndarray):
        return {"audio": np.array([_wav(_samples(source))], dtype=object)}
    return recording_inputs(source)


def _samples(array: Array) -> NDArray[np.float32]:
    if array.ndim != 1:
        raise InvalidInputError(
            f"samples must be one row of 16 kHz mono, this array has shape {list(array.shape)}; average its"
            " channels, or send a file"
        )
    if array.dtype == np.int16:
        return array.astype(np.float32) / 32768
    if array.dtype.kind != "f":
        raise InvalidInputError(
            f"samples must be floats from -1 to 1 or 16-bit integers, these are {array.dtype}; convert them"
        )
    return array.astype(np.float32, copy=False)


def _wav(samples: NDArray[np.float32]) -> bytes:
    """A WAV file (RIFF) of one channel of IEEE floats, format tag 3."""
    content = samples.astype("<f4", copy=False).tobytes()
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, SAMPLE_RATE_HZ, 4 * SAMPLE_RATE_HZ, 4, 32)
    chunks = b"WAVE" + sound + struct.pack("<4sI", b"data", len(content))
    file = io.BytesIO()
    file.write(struct.pack("<4sI", b"RIFF", len(chunks) + len(content)))
    file.write(chunks)
    file.write(content)
    return file.getvalue()
