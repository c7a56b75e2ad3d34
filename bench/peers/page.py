"""docs/benchmarks.md, made of saved figures: every number in it comes out of the JSON file that it names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers.contender import KEPT
from bench.peers.goals import OURS, Goal, goals, windows_of
from bench.peers.plots import draw, number
from bench.peers.speech_page import speech
from bench.peers.window import Spread, Window, middle, ratios

from tritonzoo.bench.environment import Environment
from tritonzoo.lock import write_text

ORDER = ("embedding", "sentiment", "handwriting", "vad", "speech")
WRONG = " †"  # after the name of one whose answers are below the bound
PICTURES = "benchmarks"  # folder beside the page
TITLES = {"fp32": "float32", "int8": "int8"}


def write_page(figures: Mapping[str, Any], saved: Path, page: Path) -> None:
    """Write the page and its pictures."""
    for name, section in figures["sections"].items():
        for group in section.get("groups", ()):
            precision = group["precision"]
            title = f"{section['title']}, {TITLES[precision]}"
            draw(title, group, page.parent / PICTURES / f"{name}-{precision}.png")
    write_text(page, text(figures, saved.name))
    print(f"wrote {page}", flush=True)


def text(figures: Mapping[str, Any], saved: str) -> str:
    """The page, from what a results file holds; `saved` is that file's name."""
    found = figures["sections"]
    sections = {name: found[name] for name in ORDER if name in found}
    parts = [_head(sections, saved), _goals(list(goals(sections)))]
    for name, section in sections.items():
        parts.append(speech(section) if name == "speech" else _section(name, section, figures["trials"]))
    parts.append(_how(sections))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all columns but the first are right-aligned."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def times(spread: Spread) -> str:
    """Such as 2.6 (2.5 to 2.7)."""
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"


def _head(sections: Mapping[str, Any], saved: str) -> str:
    names = ", ".join(f"[{one['title'].lower()}](#{_anchor(one['title'])})" for one in sections.values())
    return f"""# Beside what one would take instead

<!-- made by `python -m bench.peers --page` of bench/peers/results/{saved}; edit bench/peers/page.py -->

The same weights, the same inputs, one machine, in turn: tritonzoo's pipelines and what one would
otherwise put behind an address, each with settings that suit it. Sections: {names}; then
[how it was measured and what it does not say](#how-it-was-measured). `make bench-peers` repeats it."""


def _goals(found: Sequence[Goal]) -> str:
    rows = []
    for goal in found:
        sign = "at most" if goal.at_most else "at least"
        unit = {"times": " times", "%": " %", "ms": " ms"}[goal.unit]
        digits = 0 if goal.unit == "%" else 2
        measured = f"{goal.measured:.{digits}f}{unit}"
        if goal.spread is not None:
            measured += f" ({goal.spread.least:.{digits}f} to {goal.spread.most:.{digits}f})"
        rows.append((goal.what, f"{sign} {goal.bound:g}{unit}", measured, "yes" if goal.is_met else "**no**"))
    met = sum(goal.is_met for goal in found)
    return f"""## What it is held to

{met} of {len(found)} goals are met. A ratio is how many times a peer's answers a second ours over gRPC
gives, taken round by round: the median of the rounds, with the least and the most.

{table(("goal", "bound", "measured", "met"), rows)}"""


NOTES = {
    "handwriting": """All three decode a picture and find the letter in it with the same code, which
takes some 8 ms of a core for these pictures; the network takes 1. So nobody can be far ahead.""",
}


def _section(name: str, section: Mapping[str, Any], trials: Mapping[str, Any]) -> str:
    parts = [
        f"""## {section["title"]}

[`{section["pipeline"]}`](pipelines/{section["pipeline"]}.md). Sent: {section["inputs"]}.
Agreement is {section["agreement"]}; 1 is full."""
    ]
    if name in NOTES:
        parts.append(NOTES[name])
    for group in section["groups"]:
        parts.append(_group(name, section, group, trials.get(f"{name} {group['precision']}", {})))
    return "\n\n".join(parts)


def _group(name: str, section: Mapping[str, Any], group: Mapping[str, Any], trials: Mapping[str, Any]) -> str:
    precision, contenders = group["precision"], group["contenders"]
    title = f"{section['title']}, {TITLES[precision]}"
    loads = [point["clients"] for point in group["points"]]
    windows = {clients: windows_of(group, clients) for clients in loads}
    heads = [_clients(clients) for clients in loads]
    busy = windows[max(loads)]
    rows = [
        [
            _named(one),
            *(_cell(windows[clients][one["key"]]) for clients in loads),
            _number(middle(busy[one["key"]], "cpu_ms")),
            f"{one['memory_bytes'] / 1e6:.0f}",
            _agreement(one),
        ]
        for one in contenders
    ]
    compared = [
        [
            _named(one),
            *(times(ratios(windows[clients][OURS], windows[clients][one["key"]])) for clients in loads),
        ]
        for one in contenders
        if one["key"] != OURS
    ]
    settings = [
        [
            _named(one),
            one["settings"] and f"`{one['settings']}`",
            _versions(one),
            _tried(trials.get(one["key"], {})),
        ]
        for one in contenders
        if one["role"] != "ours"
    ]
    head = [
        "answers a second (p50 / p99 ms)",
        *heads,
        "CPU ms an answer",
        "memory MB",
        "agreement: mean (least)",
    ]
    return f"""### {title}

![{title}: answers a second by contender and clients]({PICTURES}/{name}-{precision}.png)

{table(head, rows)}

How many times these ours over gRPC answers, median of the rounds (least to most):

{table(["", *heads], compared)}

{table(["", "settings", "versions", f"tried: answers a second at {_clients(max(loads))}"], settings)}

{_served(group)}"""


def _named(one: Mapping[str, Any]) -> str:
    return str(one["title"]) + ("" if one["agrees"] else WRONG)


def _served(group: Mapping[str, Any]) -> str:
    around = Environment(**group["environment"])
    served = ", ".join(f"{name} {precision}" for name, precision in around.precisions.items())
    tried = "; ".join(
        f"{what}: {number(rate)}/s" for each in group["tried"].values() for what, rate in each.items()
    )
    versions = ", ".join(f"{name} {version}" for name, version in around.versions.items())
    limit = f" The limit's graph and batch were the best of {tried}." if tried else ""
    ours = f"Ours: profile `{around.profile}`, commit {around.commit}, {served}"
    wrong = (
        ""
        if all(one["agrees"] for one in group["contenders"])
        else (f"\n\n†: agrees less than {group['least agreement']:g} on average; its speed is of other work.")
    )
    date = f"Measured on {group['date']}. "
    return f"{date}{ours}; Triton {around.triton}, {versions}.{limit}{wrong}"


def _how(sections: Mapping[str, Any]) -> str:
    measured = [one for one in sections.values() if one.get("groups")]
    if not measured:
        return ""
    around = Environment(**measured[0]["groups"][0]["environment"])
    groups = [group for section in measured for group in section["groups"]]
    paces = " or ".join(
        dict.fromkeys(f"{one['pace']['rounds']} rounds of {one['pace']['seconds']:g} s" for one in groups)
    )
    windows = [
        Window(**{**one, "p50_ms": 0.0, "p99_ms": 0.0})
        for group in groups
        for point in group["points"]
        for each in point["windows"].values()
        for one in each
    ]
    generator = max(window.generator_cores for window in windows)
    others = max(window.other_cores or 0.0 for window in windows)
    commands = "\n".join(
        dict.fromkeys(f"$ {one['command']}" for one in [*groups, *sections.values()] if "command" in one)
    )
    return f"""## How it was measured

On {around.processor}, {around.cores} cores, {around.memory_gb:g} GB, {" ".join(around.flags)};
{around.system}.

```console
{commands}
```

- Contenders of a table are started together and loaded in turn, round after round, while the others
  idle: {paces} for each number of clients. A client sends its
  next request as soon as it has its answer. Figures are medians of the rounds; of a ratio, each round's
  two windows lie side by side.
- One generator sends the same inputs to all, over kept connections, bodies made beforehand. It runs on
  the same machine and took up to {generator:.2f} of a core; other programs took up to {others:.2f}
  cores.
- A request that straddles a window's edge counts by the share of its time inside.
- Each answer to the first {KEPT} inputs is compared with the reference, in the very windows whose speed
  is told; below a bound of agreement there would be no figure. A failed request ends the run: there
  were none.
- The limit is ONNX Runtime and the tokenizer in one process, without server, wire or waiting: with more
  than one client, all texts known beforehand, sorted by length, in the batch that was best. No server
  can know its requests beforehand.
- A peer runs with the best of the settings in its table, each tried alone on the machine under the most
  clients; where none is told, the first was taken. Requests to infinity ask for base64, its quicker
  answer. Its ONNX graphs are optimised (optimum's level 99) and, for int8, quantised by ONNX Runtime,
  weights for each channel.
- CPU ms is processor time of all of a server's processes for an answer under the most clients; memory
  is their PSS, read after the last window.
- Absolute figures hold for this machine. On others the ratios may differ, above all with more cores,
  narrower vectors or a GPU."""


def _cell(windows: Sequence[Window]) -> str:
    rate = number(middle(windows, "requests_per_s") or 0.0)
    p50, p99 = middle(windows, "p50_ms"), middle(windows, "p99_ms")
    if p50 is None or p99 is None or math.isnan(p50):
        return rate
    return f"{rate} ({number(p50)} / {number(p99)})"


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _agreement(one: Mapping[str, Any]) -> str:
    agreement = one["agreement"]
    return f"{agreement['mean']:.4f} ({agreement['least']:.4f})"


def _versions(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in one["versions"].items())


def _tried(trials: Mapping[str, float]) -> str:
    return "<br>".join(f"`{settings}` {number(rate)}" for settings, rate in trials.items())


def _clients(count: int) -> str:
    return f"{count} client{'s' if count > 1 else ''}"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
