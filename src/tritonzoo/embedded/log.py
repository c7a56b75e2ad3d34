"""Reading Triton's log: which models have loaded, which failed and why.

The lines read are those of Triton 2.51:

    I1122 20:01:23.649152 7233 model_lifecycle.cc:472] "loading: slow:1"
    I1122 20:01:23.776987 7233 model_lifecycle.cc:839] "successfully loaded 'slow'"
    E1122 20:07:23.499699 10529 model_lifecycle.cc:642] "failed to load 'fast' version 1: Internal: ..."
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

LINE = re.compile(r'^(?P<level>[IWEF])\d{4} [\d:.]+ \d+ (?P<place>\S+:\d+)\] (?P<text>"?.*)$')
LOADED = re.compile(r"successfully loaded '(?P<model>.+)'$")
LOADING = re.compile(r"loading: (?P<model>.+):\d+$")
FAILED = re.compile(r"failed to load '(?P<model>.+)' version \d+: (?:\w[\w ]*?: )?(?P<why>.*)$", re.DOTALL)
POLL_FAILED = re.compile(r"Poll failed for model directory '(?P<model>.+?)': (?P<why>.*)$", re.DOTALL)
IN_FLIGHT = re.compile(r"Found (?P<count>\d+) model versions that have in-flight inferences$")
# What Triton says on every machine without a GPU, as errors and warnings.
HARMLESS = ("CUDA driver", "CudaDriverHelper", "unable to create stream")


@dataclass
class LogReader:
    """Follows one log file; `read` takes in what was added since the last call."""

    path: Path
    loading: dict[str, None] = field(default_factory=dict)  # in order, an ordered set
    loaded: dict[str, None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # model -> why
    errors: list[str] = field(default_factory=list)
    in_flight: int | None = None  # requests' models still at work while the server stops; None: not yet said
    _offset: int = 0
    _partial: str = ""

    def read(self) -> list[str]:
        """Take in the new lines; returns the models that have finished loading since the last call."""
        with self.path.open("rb") as log:
            if os.fstat(log.fileno()).st_size < self._offset:  # emptied, as a container does with a long one
                self._offset, self._partial = 0, ""
            log.seek(self._offset)
            new = log.read()
        self._offset += len(new)
        *lines, self._partial = (self._partial + new.decode("utf-8", "replace")).split("\n")
        before = len(self.loaded)
        for line in lines:
            self._take(line)
        return list(self.loaded)[before:]

    def _take(self, line: str) -> None:
        if line.startswith("error: "):  # Triton's last words: a bad option, a port in use
            self.errors.append(line.removeprefix("error: "))
            return
        parsed = LINE.match(line)
        if parsed is None:
            return
        text = _unquoted(parsed["text"])
        if found := LOADED.match(text):
            self.loaded[found["model"]] = None
        elif found := LOADING.match(text):
            self.loading[found["model"]] = None
        elif found := FAILED.match(text) or POLL_FAILED.match(text):
            self.failed[found["model"]] = _reason(found["why"])
        elif found := IN_FLIGHT.search(text):
            self.in_flight = int(found["count"])
        elif parsed["level"] in "EF" and not any(word in text for word in HARMLESS):
            self.errors.append(_reason(text))


def _unquoted(text: str) -> str:
    """Triton quotes and escapes its messages, mostly as JSON does."""
    if not (len(text) > 1 and text.startswith('"') and text.endswith('"')):
        return text
    try:
        return str(json.loads(text))
    except json.JSONDecodeError:
        return text[1:-1]


def _reason(text: str) -> str:
    """An error without the traceback that pybind11 hangs on to it."""
    return text.partition("\n\nAt:\n")[0].strip()
