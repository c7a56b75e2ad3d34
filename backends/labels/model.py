"""Name the most probable class: a model's folder holds a config.pbtxt and labels.txt, one label a line.

Input: probabilities FP32 (rows, classes), classes in the order of labels.txt.
Outputs: label BYTES (rows, 1); score FP32 (rows, 1), the label's probability.
"""

from __future__ import annotations

import numpy as np

from tritonzoo.runtime.errors import ConfigurationError, InvalidInput
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.tensors import Array


class TritonPythonModel(PythonModel):
    """Labels looked up by the largest probability."""

    def setup(self) -> None:
        """Read labels.txt in the model's folder."""
        path = self.folder / "labels.txt"
        if not path.is_file():
            raise ConfigurationError(
                f"{path} is missing; write one label a line, in the order of the classes"
            )
        labels = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not labels:
            raise ConfigurationError(f"{path} is empty; write one label a line, in the order of the classes")
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            raise ConfigurationError(f"{path} has {', '.join(repeated)} more than once; name each class once")
        self._labels = np.array([label.encode() for label in labels], dtype=object)

    def infer(self, probabilities: Array) -> Answer:
        """The label with the largest probability of each row."""
        classes = probabilities.shape[1]
        if classes != len(self._labels):
            raise InvalidInput(
                f"probabilities has {classes} classes, labels.txt of {self.name} names {len(self._labels)};"
                " send one probability for each label"
            )
        unusable = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
        if unusable.size:
            raise InvalidInput(
                f"row {unusable[0]} of probabilities holds NaN or infinity; send finite numbers"
            )
        best = probabilities.argmax(axis=1)
        return {
            "label": self._labels[best][:, None],
            "score": np.take_along_axis(probabilities, best[:, None], axis=1),
        }
