"""Tables and marked parts of Markdown pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tritonzoo.errors import RepositoryError

BEGIN, END = "<!-- made by `tritonzoo docs` -->", "<!-- end -->"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars inside of cells are escaped."""
    lines = [_row(header), f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *map(_row, rows)])


def code(text: str) -> str:
    """A span of code."""
    return f"`{text}`"


def with_marked(text: str, made: str, page: Path) -> str:
    """A page's text with `made` between its two markers.

    Raises:
        RepositoryError: the markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise RepositoryError(
            f"{page}: the lines {BEGIN!r} and {END!r} are not there once; put them where the table belongs"
        )
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
