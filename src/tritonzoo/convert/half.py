"""`half`: float16 inside, float32 at inputs and outputs, and float32 where float16 will not do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.graph import (
    constants_to_initializers,
    forget_shapes,
    join_casts,
    name_nodes,
    quiet,
    read_sound,
    skip_identities,
    write,
)
from tritonzoo.convert.half_rounding import with_half_rounding
from tritonzoo.convert.parity import Parity
from tritonzoo.convert.probe import activations, smaller_half, tensor_types
from tritonzoo.convert.sensitivity import Layer, smallest_set, told, within
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    import numpy.typing as npt
    from onnx import ModelProto, NodeProto

    Evaluate = Callable[[Path], Parity]
    Sample = Mapping[str, npt.NDArray[Any]]

_LARGEST = float(np.finfo(np.float16).max)  # 65504


@dataclass(frozen=True)
class Mixed:
    """A float16 graph, the layers that had to stay float32, and how it was found to answer."""

    kept: tuple[Layer, ...]
    layers: int  # that could be float16
    parity: Parity  # with every float16 tensor rounded to float16, see `half_rounding`


def half(
    source: Path,
    target: Path,
    samples: Sequence[Sample],
    evaluate: Evaluate,
    tolerance: Tolerance,
    on_step: Callable[[str], None] = lambda step: None,
    *,
    float32: Sequence[str] = (),
) -> Mixed:
    """Write `source` in float16 to `target`, with the fewest layers kept in float32 that the tolerance needs.

    ONNX Runtime's CPU kernels compute float16 graphs in float32, where nothing overflows; so what is given
    to `evaluate` is a float32 graph that rounds to float16 wherever the artifact does.

    Args:
        source: a float32 graph, fused or not.
        target: replaced in one step, and only if the tolerance holds.
        samples: what the layers are ranked on.
        evaluate: runs an ONNX file and the source model over the recipe's samples.
        float32: how the names of layers begin that stay float32 whatever the samples say: those that need
            numbers which float16 does not have, be it for inputs that no sample shows.

    Raises:
        ConversionError: `source` cannot be read, holds NaN or Inf, or has branches or loops; or no layer's
            name begins as `float32` says.
        ParityError: the tolerance does not hold even with every layer in float32.
    """
    model = prepared(read_sound(source))
    every_layer = _candidates(model)
    fixed = _named(every_layer, float32)
    candidates = {name: node for name, node in every_layer.items() if name not in fixed}

    with tempfile.TemporaryDirectory(prefix="tritonzoo-half-") as folder:
        trial = Path(folder) / target.name

        def measure(kept: frozenset[str]) -> Parity:
            write(with_half_rounding(converted(model, kept | fixed)), trial)
            return evaluate(trial)

        on_step(f"converting {len(candidates)} layers to float16")
        ranked: tuple[str, ...] = ()
        kept: frozenset[str] | None = frozenset()
        parity = every = measure(frozenset())
        if not within(parity, tolerance):
            on_step("ranking the layers by what float16 does to each")
            ranked = _ranked(model, candidates, samples)
            kept = smallest_set(
                ranked, lambda names: bool(names) and within(measure(names), tolerance), on_step
            )
            parity = measure(frozenset(ranked) if kept is None else kept)
            parity.judge(tolerance)  # says what is beyond it, and by how much
        if kept is None or len(kept) == len(candidates):
            raise ParityError(
                f"no layer can be float16 within the tolerance (with all of them: {told(every)}); widen it "
                f"in the recipe, or serve the float32 graph"
            )
    artifact = converted(model, kept | fixed)
    forget_shapes(artifact)
    write(artifact, target)
    stay = [*(name for name in every_layer if name in fixed), *(name for name in ranked if name in kept)]
    layers = tuple(Layer(name, every_layer[name].op_type) for name in stay)
    return Mixed(layers, len(every_layer), parity)


def _named(layers: Mapping[str, NodeProto], beginnings: Sequence[str]) -> frozenset[str]:
    """The layers whose names begin in one of these ways."""
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in layers):
            raise ConversionError(
                f"no layer's name begins with {beginning!r}, which the recipe keeps in float32; there are "
                f"{', '.join(sorted({name.rpartition('/')[0] for name in layers})[:8])}, ..."
            )
    return frozenset(name for name in layers if name.startswith(tuple(beginnings)))


def prepared(model: ModelProto) -> ModelProto:
    """Give every node a name and every inner tensor its type, which is what the conversion goes by."""
    from onnx import TensorProto, helper

    if any(
        attribute.HasField("g") or attribute.graphs
        for node in model.graph.node
        for attribute in node.attribute
    ):
        raise ConversionError(
            "the graph has branches or loops, whose float16 form cannot be measured here; serve it in float32"
        )
    skip_identities(model)
    constants_to_initializers(model)
    name_nodes(model)
    forget_shapes(model)
    declared = {tensor.name for tensor in (*model.graph.input, *model.graph.output)}
    model.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name, kind in tensor_types(model).items()
        if kind == "tensor(float)" and name not in declared
    )
    return model


def _candidates(model: ModelProto) -> dict[str, NodeProto]:
    """The nodes that the conversion makes float16, by name, in the graph's order."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST

    floats = _floats(model)
    return {
        node.name: node
        for node in model.graph.node
        if node.op_type not in DEFAULT_OP_BLOCK_LIST and floats & {*node.input, *node.output}
    }


def _floats(model: ModelProto) -> set[str]:
    """The computed float tensors by name."""
    from onnx import TensorProto

    tensors = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    return {t.name for t in tensors if t.type.tensor_type.elem_type == TensorProto.FLOAT}


def converted(model: ModelProto, kept: frozenset[str]) -> ModelProto:
    """A float16 copy of the graph, with the nodes `kept` in float32 and no detour between two of them."""
    from onnx import ModelProto
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = ModelProto()
    copy.CopyFrom(model)
    with quiet("onnxruntime.transformers"):
        artifact: ModelProto = convert_float_to_float16(
            copy, keep_io_types=True, disable_shape_infer=True, node_block_list=sorted(kept)
        )
    join_casts(artifact)
    return artifact


def _ranked(
    model: ModelProto, candidates: Mapping[str, NodeProto], samples: Sequence[Sample]
) -> tuple[str, ...]:
    """The candidates' names, the one most hurt by float16 first.

    What takes or makes numbers beyond float16's largest comes first, in the graph's order; then by how much
    of the relative error of a layer's output, or of its takers', was not there in their inputs.
    """
    floats = _floats(model)
    largest, error = _float16_errors(model, floats, samples)
    added = {
        name: max(
            (
                error.get(o, 0.0) - max((error.get(i, 0.0) for i in node.input), default=0.0)
                for o in node.output
            ),
            default=0.0,
        )
        for name, node in candidates.items()
    }
    takers: dict[str, list[str]] = {}
    for name, node in candidates.items():
        for tensor in node.input:
            takers.setdefault(tensor, []).append(name)

    def sensitivity(name: str) -> tuple[bool, float]:
        node = candidates[name]
        tensors = floats & {*node.input, *node.output}
        overflows = any(largest.get(tensor, 0.0) > _LARGEST for tensor in tensors)
        after = [added[taker] for output in node.output for taker in takers.get(output, [])]
        return overflows, 0.0 if overflows else max([added[name], *after])

    return tuple(sorted(candidates, key=sensitivity, reverse=True))


def _float16_errors(
    model: ModelProto, names: set[str], samples: Sequence[Sample]
) -> tuple[dict[str, float], dict[str, float]]:
    """Of each tensor the largest magnitude in float32, and float16's largest error relative to it."""
    largest: dict[str, float] = {}
    error: dict[str, float] = {}
    rounded = with_half_rounding(converted(model, frozenset()))
    few = smaller_half(samples)
    for exact, found in zip(activations(model, names, few), activations(rounded, names, few), strict=True):
        for name, value in exact.items():
            magnitude = float(np.abs(value).max(initial=0.0))
            with np.errstate(invalid="ignore"):
                difference = np.abs(value - found[name])
            worst = float(difference.max(initial=0.0)) if np.isfinite(difference).all() else np.inf
            largest[name] = max(largest.get(name, 0.0), magnitude)
            error[name] = max(error.get(name, 0.0), worst / magnitude if magnitude else 0.0)
    return largest, error
