"""What a request goes through, as a diagram in Mermaid's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tritonzoo.pages.tensors import grouped
from tritonzoo.repository import Model

_IN, _OUT = "in", "out"


def diagram(model: Model) -> str:
    """A `mermaid` block: the steps of an ensemble, or a pipeline in Python with what it calls."""
    lines = _steps(model) if model.is_ensemble else _calls(model)
    return "\n".join(["```mermaid", "flowchart LR", *(f"  {line}" for line in lines), "```"])


def _steps(model: Model) -> Iterator[str]:
    steps = model.config.ensemble_scheduling.step
    writer = {tensor.name: _IN for tensor in model.config.input}
    for index, step in enumerate(steps):
        yield f'{index}["{step.model_name}"]'
        writer |= dict.fromkeys(step.output_map.values(), str(index))
    # a map has no order of its own: each process has another
    readers = [
        (str(index), name) for index, step in enumerate(steps) for name in sorted(step.input_map.values())
    ]
    readers += [(_OUT, tensor.name) for tensor in model.config.output]
    yield from _ends(model)
    edges: dict[tuple[str, str], list[str]] = {}
    for reader, name in readers:
        edges.setdefault((writer[name], reader), []).append(name)
    for (start, end), names in edges.items():
        yield _edge(start, end, names)


def _calls(model: Model) -> Iterator[str]:
    yield f'0["{model.name}"]'
    yield from _ends(model)
    yield f"{_IN} --> 0"
    for index, member in enumerate(model.members, 1):
        yield f'0 <--> {index}["{member}"]'
    yield f"0 --> {_OUT}"


def _ends(model: Model) -> Iterator[str]:
    for end, tensors in ((_IN, model.config.input), (_OUT, model.config.output)):
        names = grouped(tensor.name for tensor in tensors)
        yield f'{end}(["{"<br>".join(names)}"])'


def _edge(start: str, end: str, names: Iterable[str]) -> str:
    if start == _IN:  # the names stand in its node
        return f"{start} --> {end}"
    return f'{start} -->|"{", ".join(names)}"| {end}'
