"""What every section needs: the tree, the peers' environments, a folder for what is made for them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.environments import Environments


@dataclass(frozen=True)
class Setup:
    """One run.

    Attributes:
        work: exports and logs; kept between runs.
        best: by section, precision and peer, the settings that answered most when they were tried.
    """

    root: Path
    environments: Environments
    work: Path
    best: dict[str, str] = field(default_factory=dict)

    def log(self, name: str) -> Path:
        return self.work / "logs" / f"{name}.log"

    def settings(self, section: str, precision: str, peer: str, tried: Sequence[str]) -> str:
        """The best of those that were tried, or the first where none was."""
        best = self.best.get(f"{section} {precision} {peer}", "")
        return best if best in tried else tried[0]


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
