"""What a section of the comparison is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.peers.adapters.in_process import InProcess
from bench.peers.contender import Served

OpenPeer = Callable[[str], AbstractContextManager[Served]]  # given its settings


@dataclass(frozen=True)
class Peer:
    """One that ours is compared with, and the settings that are tried to find its best."""

    key: str
    tried: Sequence[str]
    open: OpenPeer


@dataclass(frozen=True)
class Group:
    """Contenders that are loaded in turn, because they answer with the same precision."""

    precision: str
    ours: Callable[[], AbstractContextManager[list[Served]]]
    peers: Sequence[Peer]
    in_process: Sequence[Callable[[], AbstractContextManager[InProcess]]] = ()


@dataclass(frozen=True)
class Section:
    """One pipeline and its peers.

    Attributes:
        clients: how many callers are tried, each waiting for its answer.
        inputs: what is sent, told in the page.
        agreement: what is compared of each answer; 1 is full agreement.
        least: the mean agreement below which a contender's figures do not count, by precision.
    """

    name: str
    title: str
    pipeline: str
    clients: Sequence[int]
    inputs: str
    agreement: str
    least: Mapping[str, float]
    groups: Sequence[Group]

    @property
    def busy(self) -> int:
        """The most clients: what settings are tried with."""
        return max(self.clients)
