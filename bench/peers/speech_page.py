"""The page's section on speech, from what bench/transcription/peers.py saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.peers.window import Spread

OURS = "tritonzoo"  # as bench/transcription/peers.py calls it


def speech(section: Mapping[str, Any]) -> str:
    """Seconds of each request, and how many times faster ours is, round by round."""
    from bench.peers.page import table, times

    rows = [
        [
            each["server"],
            each["precision"],
            str(each["clients"]),
            times(Spread.of(each["seconds"])),
            "" if each["server"] == OURS else times(Spread.of(each["ratios"])),
        ]
        for each in section["figures"]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    return f"""## {section["title"]}

[`{section["pipeline"]}`](pipelines/{section["pipeline"]}.md), measured on {section["date"]}: one window
of 29 s of sound into exactly {section["tokens"]} tokens, greedily, by random weights at the dimensions
of whisper-{section["size"]}, so that all write as much; the accuracy of real weights is in
[transcription.md](transcription.md). faster-whisper and transformers have no server of their own and
are behind the thinnest one in HTTP ({versions}); faster-whisper with so many workers x threads as told,
of which the best counts.

{table(["seconds a request", "precision", "clients", "median (least to most)", "ours is faster by"], rows)}"""
