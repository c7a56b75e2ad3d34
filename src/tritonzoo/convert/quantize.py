"""int8: weights per channel, activations as they come or by calibration, and no layer that costs too much.

Both ways leave out, by themselves, the layers without which the tolerance does not hold: each layer is
quantized alone and measured, the most costly are left out until it holds, then all that can come back does.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.graph import (
    Graph,
    constants_to_initializers,
    forget_shapes,
    name_nodes,
    open_session,
    prune,
    quiet,
    read_sound,
    skip_identities,
    write,
)
from tritonzoo.convert.parity import Parity
from tritonzoo.convert.probe import smaller_half
from tritonzoo.convert.sensitivity import Layer, smallest_set, told, within
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    import numpy.typing as npt
    from onnx import ModelProto, NodeProto

    Evaluate = Callable[[Path], Parity]
    Sample = Mapping[str, npt.NDArray[Any]]
    Build = Callable[[frozenset[str]], ModelProto]
    Step = Callable[[str], None]


CONFIRMATIONS = 2  # measurements that an artifact must pass beside the one by which it was found


@dataclass(frozen=True)
class Quantized:
    """An int8 graph, the layers left out of it since they cost too much, and how it was found to answer."""

    left_out: tuple[Layer, ...]  # the most costly first
    layers: int  # that could be int8
    reduced_range: bool  # weights of 7 bits: exact on x86 without VNNI, where 8 bits saturate in between
    parity: Parity


def quantize_dynamic(
    source: Path,
    target: Path,
    samples: Sequence[Sample],
    evaluate: Evaluate,
    tolerance: Tolerance,
    on_step: Step = lambda step: None,
    *,
    reduced_range: bool | None = None,
) -> Quantized:
    """Write `source` with its matrix products in int8 to `target`; activations are scaled at each call.

    For transformers, whose activations' range differs from call to call. That range is taken over the whole
    batch, so that the last digits of an answer depend on what else is in it.

    Args:
        source: a float32 graph, fused or not.
        target: replaced in one step, and only if the tolerance holds.
        samples: what the layers are ranked on.
        evaluate: runs an ONNX file and the source model over the recipe's samples.
        reduced_range: None leaves it to this machine's processor.

    Raises:
        ConversionError: `source` cannot be read, holds NaN or Inf, or has nothing to quantize.
        ParityError: the tolerance does not hold even with every layer left out.
    """
    reduced = not multiplies_int8_exactly() if reduced_range is None else reduced_range
    model = prepared(source)
    candidates = constant_products(model)
    on_step(f"quantizing {len(candidates)} layers")
    everything = _dynamic(model, sorted(candidates), reduced)

    def build(left_out: frozenset[str]) -> ModelProto:
        return _restored(everything, [candidates[name] for name in sorted(left_out)], model)

    left, parity = search(model, candidates, build, target, samples, evaluate, tolerance, on_step)
    return Quantized(left, len(candidates), reduced, parity)


def search(
    model: ModelProto,
    candidates: Mapping[str, NodeProto],
    build: Build,
    target: Path,
    samples: Sequence[Sample],
    evaluate: Evaluate,
    tolerance: Tolerance,
    on_step: Step,
) -> tuple[tuple[Layer, ...], Parity]:
    """Write to `target` what `build` makes with the fewest candidates left out that the tolerance needs.

    What is written has held `1 + CONFIRMATIONS` times, each in a session of its own: there are processors on
    which ONNX Runtime's int8 answers differ from run to run (see docs/conversion.md).

    Raises:
        ConversionError: there are no candidates.
        ParityError: it does not hold even with all of them left out.
    """
    if not candidates:
        raise ConversionError("the graph has no layer with constant weights that could be int8")
    with tempfile.TemporaryDirectory(prefix="tritonzoo-int8-") as folder:
        trial = Path(folder) / target.name
        found: dict[frozenset[str], Parity] = {}

        def measure(left_out: frozenset[str]) -> Parity:
            if left_out not in found:
                write(build(left_out), trial)
                found[left_out] = evaluate(trial)
            return found[left_out]

        def stays(left_out: frozenset[str]) -> bool:
            """Whether it holds each time; where it once does not, that is what counts from now on."""
            write(build(left_out), trial)
            for _ in range(CONFIRMATIONS):
                again = evaluate(trial)
                if not within(again, tolerance):
                    found[left_out] = again
                    on_step(
                        f"with {len(left_out)} of {len(candidates)} layers kept: not enough when measured "
                        f"again; int8 answers differ from run to run on this processor"
                    )
                    return False
            return True

        ranked: tuple[str, ...] = ()
        left_out: frozenset[str] | None = frozenset()
        every = measure(frozenset())
        if not (within(every, tolerance) and stays(frozenset())):
            ranked = _ranked(model, candidates, build, samples, on_step)
            while True:
                left_out = smallest_set(
                    ranked, lambda names: bool(names) and within(measure(names), tolerance), on_step
                )
                if left_out is None or left_out >= candidates.keys() or stays(left_out):
                    break
        parity = measure(frozenset(ranked) if left_out is None else left_out)
        parity.judge(tolerance)  # says what is beyond it, and by how much
        if left_out is None or len(left_out) == len(candidates):
            raise ParityError(
                f"no layer can be int8 within the tolerance (with all of them: {told(every)}); widen it in "
                f"the recipe, or serve the float32 graph"
            )
        write(build(left_out), target)
    layers = tuple(Layer(name, candidates[name].op_type) for name in ranked if name in left_out)
    return layers, parity


def multiplies_int8_exactly() -> bool:
    """Whether this processor sums products of 8-bit numbers without saturating in between.

    x86 without VNNI multiplies with VPMADDUBSW, whose pairwise sums are cut off at 16 bits; see ONNX
    Runtime's documentation, Quantize ONNX models, "When and why do I need to try U8U8?".
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    flags = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    return bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8"})


def prepared(source: Path) -> ModelProto:
    """The graph with its weights as initializers, every node named, and no noted shapes."""
    model = read_sound(source)
    skip_identities(model)
    constants_to_initializers(model)
    name_nodes(model)
    forget_shapes(model)  # what an exporter noted breaks the quantizer where it is stale
    return model


def constant_products(model: ModelProto) -> dict[str, NodeProto]:
    """The matrix products with constant weights, by name, in the graph's order."""
    graph = Graph(model)
    products = [node for node in graph.nodes if node.op_type == "MatMul"]
    return {node.name: node for node in products if graph.constant(node.input[1]) is not None}


def _dynamic(model: ModelProto, names: Sequence[str], reduced_range: bool) -> ModelProto:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    if not names:
        return model
    with tempfile.TemporaryDirectory(prefix="tritonzoo-int8-") as folder, quiet("root"):
        written = Path(folder) / "model.onnx"
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        quantize_dynamic(
            copy,
            written,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=list(names),
            per_channel=True,
            reduce_range=reduced_range,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        quantized: ModelProto = onnx.load(written)
    forget_shapes(quantized)
    return quantized


def _restored(quantized: ModelProto, nodes: Sequence[NodeProto], original: ModelProto) -> ModelProto:
    """A copy with some nodes as they were: the tensor that each makes has kept its name."""
    from onnx import ModelProto

    copy = ModelProto()
    copy.CopyFrom(quantized)
    makers = Graph(copy).producer
    for node in nodes:
        copy.graph.node.remove(makers[node.output[0]])
    copy.graph.node.extend(nodes)
    present = {tensor.name for tensor in copy.graph.initializer}
    wanted = {name for node in nodes for name in node.input} - present
    copy.graph.initializer.extend(tensor for tensor in original.graph.initializer if tensor.name in wanted)
    prune(copy)
    return copy


def costs(
    model: ModelProto,
    candidates: Iterable[str],
    build: Build,
    samples: Sequence[Sample],
    on_step: Step,
) -> dict[str, float]:
    """For each candidate, what the outputs lose when it alone is int8."""
    names = tuple(candidates)
    expected = _answers(model, samples)
    cost = {}
    for number, name in enumerate(names, 1):
        on_step(f"measuring what int8 costs in layer {number} of {len(names)}")
        cost[name] = _distance(expected, _answers(build(frozenset(names) - {name}), samples))
    return cost


def _ranked(
    model: ModelProto,
    candidates: Mapping[str, NodeProto],
    build: Build,
    samples: Sequence[Sample],
    on_step: Step,
) -> tuple[str, ...]:
    """The candidates' names, the one that costs most first."""
    cost = costs(model, candidates, build, smaller_half(samples), on_step)
    return tuple(sorted(cost, key=lambda name: cost[name], reverse=True))


def _answers(model: ModelProto, samples: Sequence[Sample]) -> list[list[npt.NDArray[Any]]]:
    session = open_session(model)
    names = {tensor.name for tensor in model.graph.input}
    return [session.run(None, {k: v for k, v in sample.items() if k in names}) for sample in samples]


def _distance(
    expected: Sequence[Sequence[npt.NDArray[Any]]], found: Sequence[Sequence[npt.NDArray[Any]]]
) -> float:
    """The squared error of every output relative to its own power, summed over outputs and samples."""
    total = 0.0
    for sample, answer in zip(expected, found, strict=True):
        for exact, approximate in zip(sample, answer, strict=True):
            difference = np.subtract(exact, approximate, dtype=np.float64)
            power = max(float(np.square(exact, dtype=np.float64).sum()), float(np.finfo(np.float64).tiny))
            total += float(np.square(difference).sum()) / power
    return total if np.isfinite(total) else float("inf")
