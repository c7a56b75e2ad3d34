"""From nothing to ready: time, processor time and memory of a tree's server, of one or several versions.

    .venv/bin/python bench/startup/measure.py --rounds 5
    .venv/bin/python bench/startup/measure.py --version before=../old/.venv/bin/python:../old \\
        --version after=.venv/bin/python:. --json startup.json

A version is a name, a Python in whose environment its tritonzoo is installed, and its tree with artifacts.
Versions take turns; the first round of each, which fills the page cache, does not count. Time is from the
first line of the program to ready, imports included; processor time is the server's, its Python processes'
and the program's own. Memory is the server's and its Python processes', at ready and after each pipeline was
asked once. Figures are medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ONE_START = Path(__file__).with_name("one_start.py")

Report = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """One installed tritonzoo and its tree."""

    name: str
    python: Path
    root: Path

    @classmethod
    def parse(cls, text: str) -> Version:
        name, is_named, rest = text.partition("=")
        python, has_root, root = rest.partition(":")
        if not (is_named and has_root):
            raise argparse.ArgumentTypeError(f"{text!r}: write NAME=PYTHON:TREE")
        return cls(name, Path(python).absolute(), Path(root).absolute())

    def start(self) -> Report:
        """Start its server once, in a fresh process, and stop it."""
        found = subprocess.run(
            [self.python, ONE_START, self.root], stdout=subprocess.PIPE, check=True, cwd=self.root
        )
        report: Report = json.loads(found.stdout)
        return report


def total(report: Report, when: str, key: str) -> float:
    return float(sum(one[key] for one in report[when].values()))


ROWS = {
    "start to ready, s": lambda report: report["start_to_ready_s"],
    "of it importing, s": lambda report: report["import_s"],
    "CPU to ready, s": lambda report: report["cpu_s"],
    "PSS at ready, MiB": lambda report: total(report, "ready", "pss"),
    "RSS at ready, sum, MiB": lambda report: total(report, "ready", "rss"),
    "USS at ready, MiB": lambda report: total(report, "ready", "uss"),
    "anonymous at ready, MiB": lambda report: total(report, "ready", "anonymous"),
    "/dev/shm at ready, MiB": lambda report: report["shm_mib"],
    "PSS after use, MiB": lambda report: total(report, "used", "pss"),
    "anonymous after use, MiB": lambda report: total(report, "used", "anonymous"),
    "/dev/shm after use, MiB": lambda report: report["used_shm_mib"],
}


def print_table(reports: dict[str, list[Report]]) -> None:
    print("| | " + " | ".join(reports) + " |")
    print("|---|" + "---|" * len(reports))
    for title, value in ROWS.items():
        cells = [f"{median(map(value, rounds)):.2f}" for rounds in reports.values()]
        print(f"| {title} | " + " | ".join(cells) + " |")
    print()
    for name, rounds in reports.items():
        print(f"| {name} | CPU, s | PSS, MiB | USS, MiB | PSS after use, MiB |\n|---|---|---|---|---|")
        for process in rounds[0]["ready"]:
            cells = [
                f"{median(one[when][process][key] for one in rounds):.{digits}f}"
                for when, key, digits in (
                    ("ready", "cpu_s", 2),
                    ("ready", "pss", 0),
                    ("ready", "uss", 0),
                    ("used", "pss", 0),
                )
            ]
            print(f"| `{process}` | " + " | ".join(cells) + " |")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="append", type=Version.parse, help="NAME=PYTHON:TREE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every round")
    options = parser.parse_args()
    versions = options.version or [Version("this", Path(sys.executable), Path.cwd())]
    reports: dict[str, list[Report]] = {version.name: [] for version in versions}
    for number in range(options.rounds + 1):
        for version in versions:
            report = version.start()
            if number:
                reports[version.name].append(report)
    print_table(reports)
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
