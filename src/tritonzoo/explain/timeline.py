"""A trace as lines of text, a line for each model."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from tritonzoo.explain.trace import Span, Trace

SIGNS = {"queue": ("░", "yellow"), "copy": ("▒", "magenta"), "compute": ("█", "cyan")}
STRONGER = tuple(SIGNS)  # of two in one column the later in this order is shown


def timeline(trace: Trace, width: int) -> Iterator[Text]:
    """Lines of at most `width` columns: the axis, the models in the order in which they begin, the legend."""
    models = list(dict.fromkeys(span.model for span in trace.spans))
    label = max(map(len, models), default=0)
    columns = max(width - label - 2, 10)
    end_ms = max([trace.total_ms, *(span.end_ms for span in trace.spans)])
    last = f"{end_ms:.1f} ms"
    yield Text(f"{'':{label}}  0{last:>{columns - 1}}", style="dim")
    for model in models:
        spans = [span for span in trace.spans if span.model == model]
        line = Text(f"{model:{label}}  ")
        for kind in _row(spans, end_ms, columns):
            line.append(*SIGNS[kind]) if kind else line.append(" ")
        line.rstrip()
        yield line
    yield Text(
        "  ".join(f"{sign} {kind}" for kind, (sign, _) in SIGNS.items())
        + f"   the answer is there after {trace.total_ms:.1f} ms",
        style="dim",
    )


def _row(spans: list[Span], end_ms: float, columns: int) -> list[str]:
    """The kind of span in each column, empty for none; the shortest span has a column, too."""
    row = [""] * columns
    for span in sorted(spans, key=lambda span: STRONGER.index(span.kind)):
        first = min(int(span.start_ms / end_ms * columns), columns - 1)
        last = min(max(round(span.end_ms / end_ms * columns), first + 1), columns)
        row[first:last] = [span.kind] * (last - first)
    return row
