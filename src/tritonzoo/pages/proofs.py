"""How exact the artifacts behind a pipeline are: the rows of the committed ledger tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tritonzoo.ledger_markdown import BEGIN, HEADER, block

GUIDE = Path("docs") / "conversion.md"
SHOWN = ("artifact", "size", "held to", "largest difference", "task", "speed")

_MODEL = re.compile(r"\*\*`(?P<name>[^`]+)`\*\*, ")


def proved(root: Path) -> dict[str, list[dict[str, str]]]:
    """Model -> its rows by column, out of docs/conversion.md; nothing where that has no tables."""
    page = root / GUIDE
    text = page.read_text("utf-8") if page.is_file() else ""
    if BEGIN not in text:
        return {}
    found: dict[str, list[dict[str, str]]] = {}
    for model, row in _rows(block(text, page)):
        found.setdefault(model, []).append(row)
    return found


def _rows(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    model = ""
    for line in text.splitlines():
        if heading := _MODEL.match(line):
            model = heading["name"]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield model, dict(zip(HEADER, cells, strict=True))
