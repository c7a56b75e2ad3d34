"""Look inside a graph: the types and the values of its inner tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tritonzoo.convert.graph import open_session

if TYPE_CHECKING:
    import numpy.typing as npt
    from onnx import ModelProto

    Sample = Mapping[str, npt.NDArray[Any]]


def tensor_types(model: ModelProto) -> dict[str, str]:
    """The type of every computed tensor as ONNX Runtime infers it, contrib operators included."""
    names = [name for node in model.graph.node for name in node.output if name]
    session = open_session(_exposing(model, names), optimized=False)
    return {output.name: output.type for output in session.get_outputs()}


def activations(
    model: ModelProto, names: Collection[str], samples: Sequence[Sample]
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Run each sample and yield the values of the inner tensors `names` (those that the graph computes)."""
    computed = {name for node in model.graph.node for name in node.output}
    wanted = [name for name in names if name in computed]
    session = open_session(_exposing(model, wanted), optimized=False)
    inputs = {tensor.name for tensor in model.graph.input}
    for sample in samples:
        feed = {name: value for name, value in sample.items() if name in inputs}
        yield dict(zip(wanted, session.run(wanted, feed), strict=True))


def smaller_half(samples: Sequence[Sample]) -> list[Sample]:
    """The half of the samples with the fewest numbers: enough to rank layers by, in less time."""
    by_size = sorted(samples, key=lambda sample: sum(value.size for value in sample.values()))
    return by_size[: max(len(by_size) // 2, 1)]


def _exposing(model: ModelProto, names: Collection[str]) -> ModelProto:
    """A copy of the graph with inner tensors as further outputs."""
    from onnx import ModelProto, ValueInfoProto

    copy = ModelProto()
    copy.CopyFrom(model)
    outputs = {tensor.name for tensor in model.graph.output}
    copy.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in outputs)
    return copy
