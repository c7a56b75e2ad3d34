"""The vocabulary and the rules that cut text into tokens: BERT's uncased English ones for both variants."""

from tritonzoo.recipe import Recipe
from tritonzoo.weights import ALL_MINILM_L6_V2

recipe = Recipe(
    # distilbert's own repository has the same vocabulary, but as vocab.txt alone
    sources={"starter": ALL_MINILM_L6_V2, "full": ALL_MINILM_L6_V2},
    license="Apache-2.0",
    files={"tokenizer.json": "tokenizer.json"},
)
