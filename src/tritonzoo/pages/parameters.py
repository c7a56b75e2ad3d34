"""The request parameters that a pipeline reads, told by its own reader."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

from tritonzoo.errors import RepositoryError
from tritonzoo.module_file import load_module
from tritonzoo.repository import Model
from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.request_parameters import Asked, ParameterValue, RequestParameters
from tritonzoo.testing import pb_utils


def parameters(model: Model) -> Mapping[str, Asked]:
    """What `read_parameters` of its 1/model.py asks for; nothing for an ensemble, or where it reads none.

    Raises:
        RepositoryError: the file cannot be imported.
    """
    path = model.version_folder / "model.py"
    if model.config.backend != "python" or not path.is_file():
        return {}
    sys.modules.setdefault("triton_python_backend_utils", pb_utils)  # Triton's own is inside of Triton
    try:
        found = load_module(path).TritonPythonModel
    except Exception as error:
        raise RepositoryError(
            f"{path}: {type(error).__name__}: {error}; its parameters are unknown"
        ) from error
    sent = RequestParameters({})
    if isinstance(found, type) and issubclass(found, ConcurrentModel):
        found.read_parameters(sent)
    return sent.asked


def shown(value: ParameterValue | None) -> str:
    """A default for people: true and false as JSON has them, nothing for an empty text."""
    if value is None or value == math.inf:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
