"""How cost grows: clients, tokens, seconds of audio, models. Figures, plots and tables for docs/growth.md.

    .venv/bin/python bench/growth/measure.py                  # all that is missing; about ten minutes
    .venv/bin/python bench/growth/measure.py clients models   # these again

Each section is saved by itself into docs/benchmarks/growth-<section>.json, so a run that was cut off goes on
where it was; `--fresh` measures everything again, `--draw` nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import audio  # noqa: E402
import clients  # noqa: E402
import plotting  # noqa: E402
import tokens  # noqa: E402
from observed import console  # noqa: E402

import models  # noqa: E402
from tritonzoo.bench.figures import plain  # noqa: E402

SECTIONS: dict[str, ModuleType] = {"clients": clients, "tokens": tokens, "audio": audio, "models": models}
FOLDER = ROOT / "docs" / "benchmarks"
PAGE = ROOT / "docs" / "growth.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--fresh", action="store_true", help="measure every section again")
    parser.add_argument(
        "--draw", action="store_true", help="measure nothing; plots and tables of what is there"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    FOLDER.mkdir(exist_ok=True)
    for name, section in SECTIONS.items():
        wanted = (
            name in arguments.sections
            or arguments.fresh
            or not (file_of(name).is_file() or arguments.sections)
        )
        if wanted and not arguments.draw:
            console.print(name)
            start_s = time.perf_counter()
            found = section.measure()
            date = datetime.now(timezone.utc).isoformat(timespec="seconds")
            took_s = time.perf_counter() - start_s
            whole = plain({"date": date, "took_s": took_s, **found})
            file_of(name).write_text(json.dumps(whole, indent=1) + "\n")
    for name, section in SECTIONS.items():
        if file_of(name).is_file():
            show(name, section, json.loads(file_of(name).read_text()))


def file_of(name: str) -> Path:
    return FOLDER / f"growth-{name}.json"


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
        f"({around['processor']}), {found['took_s']:.0f} s to measure.",
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
