"""One request through the steps, as a picture."""

from __future__ import annotations

from pathlib import Path

from tritonzoo.bench.picture import figure_of, save
from tritonzoo.explain.trace import Trace

COLOURS = {"queue": "#e6b422", "copy": "#b05a9c", "compute": "#0b5fa5"}


def plot(trace: Trace, title: str, path: Path) -> None:
    """Draw the spans of each model as bars along the time, the first model on top.

    Raises BenchError without matplotlib, and for a name whose suffix it does not write.
    """
    models = list(dict.fromkeys(span.model for span in trace.spans))
    figure = figure_of(9, 1.6 + 0.45 * len(models))
    from matplotlib.patches import Patch

    axes = figure.add_subplot()
    for span in trace.spans:
        axes.barh(
            models.index(span.model),
            span.end_ms - span.start_ms,
            left=span.start_ms,
            height=0.6,
            color=COLOURS[span.kind],
        )
    axes.axvline(trace.total_ms, color="black", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(models)), models)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds since the server had the request; dotted: the answer is there")
    axes.set_title(title, loc="left")
    axes.grid(visible=True, axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    figure.legend(
        handles=[Patch(color=colour, label=kind) for kind, colour in COLOURS.items()],
        loc="outside right upper",
        frameon=False,
    )
    save(figure, path)
