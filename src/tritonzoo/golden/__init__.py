"""`golden.npz`: a few inputs and the source model's answers to them, small enough to commit.

With it anybody can hold an artifact, or a served pipeline, against its source: without torch, without the
weights, in a second.
"""
