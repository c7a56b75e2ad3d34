"""Find the one letter in each picture and set it in a fixed square, black on white."""

from __future__ import annotations

import numpy as np

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.image import decode
from tritonzoo.runtime.letter import letter
from tritonzoo.runtime.model import Answer, PythonModel
from tritonzoo.runtime.tensors import Array


class TritonPythonModel(PythonModel):
    """Decoding and arithmetic are `tritonzoo.runtime.image` and `tritonzoo.runtime.letter`."""

    def infer(self, image: Array) -> Answer:
        """image: files (rows, 1), raw or base64; pixels: (rows, 128, 128, 3), 0 to 255."""
        return {"pixels": np.stack([self._square(row, image) for row in range(len(image))])}

    def _square(self, row: int, image: Array) -> Array:
        try:
            return letter(decode(image[row, 0]))
        except InvalidInput as error:
            if len(image) == 1:
                raise
            raise InvalidInput(f"row {row} of {error}") from None  # its sentences begin with "image"
