"""What the figures are held to: ratios to peers, shares of the limit, milliseconds over it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.peers.window import Spread, Window, middle, ratios

OURS, OURS_HTTP, LIMIT = "tritonzoo-grpc", "tritonzoo-http", "limit"


@dataclass(frozen=True)
class Goal:
    """One line of the page's first table; `measured` is in the unit of `bound`."""

    what: str
    bound: float
    measured: float
    spread: Spread | None
    unit: str  # "times", "%" or "ms"
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


def windows_of(group: Mapping[str, Any], clients: int) -> dict[str, list[Window]]:
    """The saved windows under one load, by contender; empty where that load was not tried."""
    for point in group["points"]:
        if point["clients"] == clients:
            return {key: [read_window(one) for one in each] for key, each in point["windows"].items()}
    return {}


def read_window(saved: Mapping[str, Any]) -> Window:
    """A window from JSON, where what was not measured is null."""
    absent = {name: float("nan") for name in ("p50_ms", "p99_ms") if saved[name] is None}
    return Window(**{**saved, **absent})


def goals(sections: Mapping[str, Any]) -> Iterator[Goal]:
    """Every goal whose figures are there."""
    for name, section in sections.items():
        if name == "speech":
            yield from _speech(section)
        for group in section.get("groups", ()):
            yield from (_embedding if name == "embedding" else _other)(section["title"], group)


def _embedding(title: str, group: Mapping[str, Any]) -> Iterator[Goal]:
    precision = group["precision"]
    torch, better = {"fp32": (2.5, 2.0), "int8": (5.0, 4.0)}[precision]
    busy = windows_of(group, 64)
    engines = [key for key in busy if key.startswith("infinity")]
    if "infinity-torch" in engines:
        spread = ratios(busy[OURS], busy["infinity-torch"])
        yield _times(f"{title}, {precision}, 64 clients: infinity's torch engine", torch, spread)
    if engines:
        best = max(engines, key=lambda key: middle(busy[key], "requests_per_s") or 0.0)
        spread = ratios(busy[OURS], busy[best])
        yield _times(f"{title}, {precision}, 64 clients: infinity's better engine", better, spread)
    if LIMIT in busy:
        yield _share(f"{title}, {precision}, 64 clients: share of the limit", 85, busy[OURS], busy[LIMIT])
    if busy:
        yield _share(f"{title}, {precision}, 64 clients: HTTP of gRPC", 75, busy[OURS_HTTP], busy[OURS])
    alone = windows_of(group, 1)
    if LIMIT in alone:
        over = [mine.p50_ms - limit.p50_ms for mine, limit in zip(alone[OURS], alone[LIMIT], strict=True)]
        what = f"{title}, {precision}, 1 client: p50 over in-process"
        yield Goal(what, 1.5, statistics.median(over), Spread.of(over), "ms", at_most=True)


def _other(title: str, group: Mapping[str, Any]) -> Iterator[Goal]:
    for clients, least in ((16, 1.5), (1, 1.0)):
        found = windows_of(group, clients)
        peers = [one["key"] for one in group["contenders"] if one["role"] == "peer" and one["wire"] == "HTTP"]
        for key in peers:
            if key in found:
                (named,) = (one["title"] for one in group["contenders"] if one["key"] == key)
                what = f"{title}, {group['precision']}, {clients} client{'s' * (clients > 1)}: {named}"
                yield _times(what, least, ratios(found[OURS], found[key]))


def _speech(section: Mapping[str, Any]) -> Iterator[Goal]:
    """Against the best of faster-whisper's settings: no slower alone, 1.5 times with several clients."""
    found: dict[tuple[str, int], list[Spread]] = {}
    for one in section["figures"]:
        if one["server"].startswith("faster-whisper"):
            found.setdefault((one["precision"], one["clients"]), []).append(Spread.of(one["ratios"]))
    for (precision, clients), spreads in found.items():
        what = (
            f"{section['title']}, {precision}, {clients} client{'s' * (clients > 1)}: faster-whisper's best"
        )
        yield _times(what, 1.5 if clients > 1 else 1.0, min(spreads, key=lambda one: one.median))


def _times(what: str, bound: float, spread: Spread) -> Goal:
    return Goal(what, bound, spread.median, spread, "times")


def _share(what: str, bound: float, ours: Sequence[Window], whole: Sequence[Window]) -> Goal:
    spread = ratios(ours, whole)
    percent = Spread(100 * spread.median, 100 * spread.least, 100 * spread.most)
    return Goal(what, bound, percent.median, percent, "%")
