"""The sections of the comparison, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from bench.peers.sections import embedding, handwriting, sentiment, vad
from bench.peers.sections.section import Section
from bench.peers.setup import Setup

SECTIONS: dict[str, Callable[[Setup], Section]] = {
    "embedding": embedding.section,
    "sentiment": sentiment.section,
    "handwriting": handwriting.section,
    "vad": vad.section,
}
