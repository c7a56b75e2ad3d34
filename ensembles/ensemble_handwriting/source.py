"""A picture to its letter with the network in PyTorch; `tritonzoo golden --record` asks it.

The picture is prepared by `runtime.letter`, as it was for training: that part has no other source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.pull import pull
from tritonzoo.runtime.image import decode
from tritonzoo.runtime.letter import letter

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run, Tensors
    from tritonzoo.repository import Repository


def source(repository: Repository, variant: str) -> Run:
    import torch

    model = repository.model("handwriting")
    network = model.recipe_module.load(*pull(repository, model, variant))

    def run(inputs: Tensors) -> Tensors:
        pixels = np.stack([letter(decode(picture)) for picture in inputs["image"].ravel()])
        with torch.inference_mode():
            probabilities = network(torch.from_numpy(pixels)).numpy()
        letters = [[bytes([ord("a") + index])] for index in probabilities.argmax(axis=1)]
        return {
            "label": np.array(letters, object),
            "score": probabilities.max(axis=1, keepdims=True),
            "probabilities": probabilities,
        }

    return run
