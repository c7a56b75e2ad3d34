"""How cost grows: clients, tokens, seconds of audio, models. Figures, plots and tables for docs/growth.md.

    .venv/bin/python -m bench.growth.measure                  # what is missing; about eight minutes for all
    .venv/bin/python -m bench.growth.measure clients models   # of these sections only
    .venv/bin/python -m bench.growth.measure --fresh          # everything again

A row that other programs spoilt (they used more than SPOILT cores) is measured again, TRIES times in all, and
by the next run. Each row is saved as it comes, into docs/benchmarks/growth-<section>.json: a run that was cut
off goes on where it was. `--draw` measures nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.growth import audio, clients, models, plotting, tokens
from bench.growth.observed import console

from tritonzoo.bench.environment import environment
from tritonzoo.bench.figures import plain
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
SECTIONS: dict[str, ModuleType] = {"clients": clients, "tokens": tokens, "audio": audio, "models": models}
FOLDER = ROOT / "docs" / "benchmarks"
PAGE = ROOT / "docs" / "growth.md"
SPOILT, TRIES = 0.3, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is there")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    FOLDER.mkdir(exist_ok=True)
    for name in arguments.sections or SECTIONS:
        if not arguments.draw:
            measured(name, SECTIONS[name], known={} if arguments.fresh else read(name))
        if file_of(name).is_file():
            show(name, SECTIONS[name], json.loads(file_of(name).read_text()))


def read(name: str) -> dict[str, list[dict[str, Any]]]:
    """The rows that are there, by key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(file_of(name).read_text())["rows"] if file_of(name).is_file() else ():
        found.setdefault(one["key"], []).append(one)
    return found


def measured(name: str, section: ModuleType, known: dict[str, list[dict[str, Any]]]) -> None:
    """Measure what is missing or spoilt; every row is saved at once."""
    missing = [key for key in section.KEYS if spoilt(known.get(str(key), ())) > SPOILT]
    if not missing:
        return
    root = Repository.find().root
    with section.session() as session:
        for key in missing:
            for _ in range(TRIES):
                rows = [{"key": str(key), **one} for one in section.measure(session, key)]
                console.print(f"{name} {key}: other programs {spoilt(rows):.2f} cores")
                if spoilt(rows) < spoilt(known.get(str(key), ())):
                    known[str(key)] = rows
                if spoilt(rows) <= SPOILT:
                    break
            date = datetime.now(timezone.utc).isoformat(timespec="seconds")
            around = asdict(environment("", "cpu-fp32", {}, root))
            in_order = [one for key in section.KEYS for one in known.get(str(key), ())]
            whole = plain({"date": date, "environment": around, "rows": in_order})
            file_of(name).write_text(json.dumps(whole, indent=1) + "\n")


def spoilt(rows: Sequence[Mapping[str, Any]]) -> float:
    """What other programs used meanwhile, in cores; infinitely much of rows that are not there."""
    return max((one["other_cores"] for one in rows), default=math.inf)


def file_of(name: str) -> Path:
    return FOLDER / f"growth-{name}.json"


def _warning(rows: Sequence[Mapping[str, Any]]) -> str:
    bad = [one["key"] for one in rows if one["other_cores"] > SPOILT]
    if not bad:
        return ""
    return f" Other programs used more than {SPOILT:g} cores during: {', '.join(dict.fromkeys(bad))}."


def show(name: str, section: ModuleType, found: dict[str, Any]) -> None:
    """The section's plot, and its table between the page's marks."""
    title = str(section.__doc__).partition("\n")[0].rstrip(".")
    plotting.save(section.draw, found["rows"], title, FOLDER / f"growth-{name}.png")
    head, *body = section.table(found["rows"])
    around = found["environment"]
    lines = [
        f"<!-- made by bench/growth/measure.py: {name} -->",
        "",
        f"![{title}](benchmarks/growth-{name}.png)",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(cells) + " |" for cells in body),
        "",
        f"{found['date'][:10]}, commit {around['commit'] or 'unknown'}, {around['cores']} cores "
        f"({around['processor']}).{_warning(found['rows'])}",
        "",
        f"<!-- end of {name} -->",
    ]
    page = PAGE.read_text("utf-8")
    pattern = re.compile(
        rf"<!-- made by bench/growth/measure\.py: {name} -->.*?<!-- end of {name} -->", re.DOTALL
    )
    PAGE.write_text(pattern.sub(lambda _: "\n".join(lines), page), "utf-8")


if __name__ == "__main__":
    main()
