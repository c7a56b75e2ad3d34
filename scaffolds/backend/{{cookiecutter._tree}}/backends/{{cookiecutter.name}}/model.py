"""{{ cookiecutter.title.rstrip(".") }}.

A model's folder holds a config.pbtxt, and no code.

Input: logits FP32, any shape. Output: probabilities FP32, of the same shape, sum 1 along the last axis.
"""

from __future__ import annotations

import numpy as np

from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.tensors import Array


class TritonPythonModel(PythonModel):
    """What every model of this backend shares; what differs is in its `parameters`."""

    def setup(self) -> None:
        """Read the model's parameters, once."""
        self._temperature = self.parameter("temperature", 1.0)
        if self._temperature <= 0:
            raise ConfigurationError(f"parameter 'temperature' is {self._temperature}; make it larger than 0")

    def infer(self, logits: Array) -> Answer:
        """One request: logits and probabilities have the shape that config.pbtxt declares."""
        if not np.isfinite(logits).all():
            raise InvalidInput("logits holds NaN or infinity; send finite numbers")
        scaled = logits / np.float32(self._temperature)
        powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True, initial=-np.inf))
        return {"probabilities": powers / powers.sum(axis=-1, keepdims=True)}
