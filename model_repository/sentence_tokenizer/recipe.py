"""The vocabulary and the rules that cut text into tokens: the source model's own tokenizer.json."""

from tritonzoo.recipe import Hub, Recipe
from tritonzoo.weights import ALL_MINILM_L6_V2

recipe = Recipe(
    sources={
        "starter": ALL_MINILM_L6_V2,
        "full": Hub(
            "sentence-transformers/all-mpnet-base-v2",
            revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
            sha256={"tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"},
        ),
    },
    license="Apache-2.0",
    files={"tokenizer.json": "tokenizer.json"},
)
