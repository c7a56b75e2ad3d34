"""The two kinds of answer that `LoadedModel.infer_batch` gives, told apart for a test."""

from __future__ import annotations

from tritonzoo.runtime.tensors import Array
from tritonzoo.testing import TritonRequestError


def served(answer: dict[str, Array] | TritonRequestError) -> dict[str, Array]:
    """The outputs of a request that must have been answered."""
    assert not isinstance(answer, TritonRequestError), answer
    return answer


def refused(answer: dict[str, Array] | TritonRequestError) -> TritonRequestError:
    """The error of a request that must have failed."""
    assert isinstance(answer, TritonRequestError), answer
    return answer
