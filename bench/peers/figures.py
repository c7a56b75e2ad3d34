"""Measured figures on disk: one JSON file a date and processor, filled section by section."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tritonzoo.bench.environment import FLAGS
from tritonzoo.bench.figures import plain
from tritonzoo.lock import write_text

FORMAT = 1
FOLDER = Path(__file__).parent / "results"


class Results:
    """`figures["sections"]` by name, `figures["trials"]` of settings by section, precision and peer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.figures: dict[str, Any] = {"format": FORMAT, "sections": {}, "trials": {}}
        if path.is_file():
            self.figures = json.loads(path.read_text("utf-8"))
            if self.figures.get("format") != FORMAT:
                raise SystemExit(
                    f"{path} is of another format; give --results another name, and measure anew"
                )

    def put(self, kind: str, name: str, value: Any) -> None:
        """Put a section, or the trials of one, in its place, and write the file whole."""
        self.figures[kind][name] = plain(value)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.figures, indent=1, allow_nan=False) + "\n")

    def put_group(self, section: str, about: Mapping[str, Any], group: Mapping[str, Any]) -> None:
        """Put one precision's figures in their place in a section."""
        before = self.figures["sections"].get(section, {}).get("groups", [])
        others = [one for one in before if one["precision"] != group["precision"]]
        groups = sorted([*others, group], key=lambda one: str(one["precision"]))
        self.put("sections", section, {**about, "groups": groups})

    def best(self) -> dict[str, str]:
        """By "section precision peer": the settings that answered most when they were tried."""
        return {
            f"{name} {peer}": max(tried, key=lambda settings: tried[settings])
            for name, peers in self.figures["trials"].items()
            for peer, tried in peers.items()
        }


def today() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def default_path() -> Path:
    """Named after the day and the processor: figures of different machines never share a file."""
    return FOLDER / f"{today()}-{processor_name()}.json"


def latest() -> Path | None:
    """The newest results, by name, for the page."""
    return max(FOLDER.glob("*.json"), default=None)


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Such as xeon-amx-2-cores: a processor's name often says less than what it can do."""
    text = cpuinfo.read_text("utf-8", "replace")
    found = re.search(r"^model name\s*: *(.*)$", text, re.MULTILINE)
    model = re.sub(r"\(r\)|\(tm\)|processor|cpu|@.*|intel", "", found[1].lower() if found else "processor")
    flags = set(re.findall(r"\w+", text))
    best = next((flag for flag in reversed(FLAGS) if flag in flags), "")
    cores = text.count("processor\t:")
    return re.sub(r"[^a-z0-9]+", "-", f"{model} {best} {cores} cores").strip("-")
