"""The page's section on speech, from what bench/transcription/peers.py saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.peers.window import Spread


def speech(section: Mapping[str, Any]) -> str:
    """Seconds of each request, and how many times faster ours is, round by round."""
    from bench.peers.page import table, times

    rows = []
    for one in section["figures"]:
        ours = one["seconds"]["ours"]
        for name, seconds in one["seconds"].items():
            ratio = [theirs / mine for theirs, mine in zip(seconds, ours, strict=True)]
            spread = Spread.of(seconds)
            told = f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"
            rows.append(
                [
                    "tritonzoo, gRPC" if name == "ours" else f"`{name}`",
                    one["precision"],
                    str(one["clients"]),
                    told,
                    "" if name == "ours" else times(Spread.of(ratio)),
                ]
            )
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    return f"""## {section["title"]}

[`{section["pipeline"]}`](pipelines/{section["pipeline"]}.md), measured on {section["date"]}: one window
of 29 s of sound into exactly {section["tokens"]} tokens, greedily, by random weights at the dimensions
of whisper-{section["size"]}, so that all write as much; the accuracy of real weights is in
[transcription.md](transcription.md). faster-whisper and transformers have no server of their own and
are behind the thinnest one in HTTP ({versions}); faster-whisper with so many workers x threads as told,
of which the best counts.

{table(["seconds a request", "precision", "clients", "median (least to most)", "ours is faster by"], rows)}"""
