"""The contenders of a group, loaded one after the other, round after round, while the others idle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

from bench.peers.adapters.triton import surroundings
from bench.peers.contender import Loaded
from bench.peers.errors import ContenderError
from bench.peers.sections.section import Group, Peer, Section
from bench.peers.setup import Setup
from bench.peers.window import Spread, Window


@dataclass(frozen=True)
class Pace:
    """How long, and how often."""

    seconds: float = 4.0  # of one window
    rounds: int = 3


async def measure(section: Section, group: Group, setup: Setup, pace: Pace) -> dict[str, Any]:
    """The figures of one group: for each number of clients and each contender, a window for each round."""
    print(f"{section.name} {group.precision}: starting", flush=True)
    async with AsyncExitStack() as stack:
        ours = stack.enter_context(group.ours())
        loaded: list[Loaded] = list(ours)
        for peer in group.peers:
            settings = setup.settings(section.name, group.precision, peer.key, peer.tried)
            loaded.append(stack.enter_context(peer.open(settings)))
        in_process = [stack.enter_context(start()) for start in group.in_process]
        loaded += in_process
        for one in loaded:
            stack.push_async_callback(one.close)
        around = await surroundings(setup, ours[0].address, section.pipeline, group.precision)
        await _warm_up(loaded, section)
        points = [await _point(loaded, clients, pace) for clients in section.clients]
        memory = {one.contender.key: one.memory_bytes() for one in loaded}
    return {
        "precision": group.precision,
        "environment": around,
        "least agreement": section.least[group.precision],
        "contenders": [
            {
                **asdict(one.contender),
                "memory_bytes": memory[one.contender.key],
                "agreement": {**asdict(Spread.of(one.agreements)), "mean": _mean(one.agreements)},
                "answers compared": len(one.agreements),
                "agrees": agrees(one, section, group),
            }
            for one in loaded
        ],
        "tried": {one.contender.key: one.tried for one in in_process},
        "points": points,
    }


async def _warm_up(loaded: Sequence[Loaded], section: Section) -> None:
    for one in loaded:
        for clients in (1, section.busy):
            await one.window(clients, 1.0, seed=99)


async def _point(loaded: Sequence[Loaded], clients: int, pace: Pace) -> dict[str, Any]:
    windows: dict[str, list[Window]] = {one.contender.key: [] for one in loaded}
    for number in range(pace.rounds):
        for one in loaded:
            window = await one.window(clients, pace.seconds, seed=number)
            windows[one.contender.key].append(window)
            print(
                f"{clients:3} clients, round {number + 1}: {window.requests_per_s:8.1f}/s  "
                f"p50 {window.p50_ms:8.2f} ms  {one.contender.title}",
                flush=True,
            )
    return {
        "clients": clients,
        "windows": {key: [asdict(one) for one in each] for key, each in windows.items()},
    }


def agrees(one: Loaded, section: Section, group: Group) -> bool:
    """Whether a contender does the same work; a peer that does not is told, and marked, in the page.

    Raises ContenderError where it is ours that does not: a fast wrong answer is no answer.
    """
    mean, least = _mean(one.agreements), section.least[group.precision]
    if mean < least and one.contender.role != "peer":
        raise ContenderError(
            f"{one.contender.title}, {group.precision}: {section.agreement} is {mean:.4f} on average, below "
            f"{least}: not the same work, so no comparison"
        )
    return mean >= least


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


async def try_settings(section: Section, group: Group, peer: Peer, seconds: float) -> dict[str, float]:
    """By settings: requests a second at the most clients, each alone; those that do not run are left out."""
    found: dict[str, float] = {}
    for settings in peer.tried:
        try:
            with peer.open(settings) as served:
                try:
                    await served.window(section.busy, 2.0, seed=98)
                    window = await served.window(section.busy, seconds, seed=97)
                finally:
                    await served.close()
        except ContenderError as error:
            print(f"{peer.key} {settings}: {error}", flush=True)
            continue
        found[settings] = window.requests_per_s
        print(f"{peer.key} {settings}: {window.requests_per_s:.1f}/s", flush=True)
    return found
