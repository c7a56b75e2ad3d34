"""int8 with calibrated activations, as Q/DQ pairs around each layer: for convolutional networks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tritonzoo.convert.graph import Graph, forget_shapes, quiet
from tritonzoo.convert.quantize import Quantized, costs, multiplies_int8_exactly, prepared, search
from tritonzoo.errors import ConversionError
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from tritonzoo.convert.quantize import Evaluate, Sample, Step

Method = Literal["minmax", "entropy", "percentile"]
Engine = Literal["tensorrt", "onnxruntime"]

LEAST_OPSET = 13  # the first with a scale per channel in DequantizeLinear
PERCENTILE = 99.99
ENTROPY_BINS = 1024  # ONNX Runtime's own 128 is no search: as many as it keeps, so all of the range wins
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# What hands numbers on: in ONNX Runtime it stays in int8 from one convolution to the next.
_PASSING = ("Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Reshape", "Flatten")


def quantize_static(
    source: Path,
    target: Path,
    samples: Sequence[Sample],
    method: Method,
    evaluate: Evaluate,
    tolerance: Tolerance,
    on_step: Step = lambda step: None,
    *,
    engine: Engine = "tensorrt",
) -> Quantized:
    """Write `source` in int8 to `target`, its activations' ranges fixed by calibration over all `samples`.

    Weights are symmetric, with a scale for each channel. The two engines want the rest differently:

    - "tensorrt": symmetric activations, Q/DQ on the inputs of a layer and not between it and its ReLU, and
      biases in float32 (NVIDIA, TensorRT developer guide, "Explicit quantization"). ONNX Runtime runs this
      too, but in float32 between the pairs.
    - "onnxruntime": unsigned activations with a zero point, Q/DQ on inputs and outputs, and int32 biases,
      which is what its CPU kernels fuse into QLinearConv. A convolution left out between two pairs it
      quantizes after all when it loads the graph; the search sees that and leaves out its neighbour too.

    Args:
        source: a float32 graph, not fused, of opset 13 or later.
        target: replaced in one step, and only if the tolerance holds.
        method: of choosing a range: all of it, the least divergence (Migacz, 8-bit Inference with TensorRT,
            GTC 2017), or all but the outermost 0.01 %.

    Raises:
        ConversionError: `source` cannot be read, holds NaN or Inf, has nothing to quantize, or is too old.
        ParityError: the tolerance does not hold even with every layer left out.
    """
    model = prepared(source)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < LEAST_OPSET:
        raise ConversionError(f"{source.name} is of opset {opset}; static int8 needs {LEAST_OPSET} or later")
    candidates = _weighted(model)
    reduced = engine == "onnxruntime" and not multiplies_int8_exactly()
    on_step(f"calibrating by {method} over {len(samples)} batches")
    ranges = _ranges(model, samples, method, engine)

    def build(left_out: frozenset[str]) -> ModelProto:
        return _with_pairs(model, candidates, left_out, ranges, reduced, engine)

    left, parity = search(model, candidates, build, target, samples, evaluate, tolerance, on_step)
    return Quantized(left, len(candidates), reduced, parity)


def layer_costs(
    source: Path,
    samples: Sequence[Sample],
    method: Method = "entropy",
    on_step: Step = lambda step: None,
    *,
    engine: Engine = "onnxruntime",
) -> dict[str, float]:
    """What int8 costs in each layer of a float32 graph, in the graph's order; nothing is written.

    Each layer alone is int8, and the cost is the squared error of every output relative to its own power,
    summed over outputs and samples. `quantize_static` leaves out layers in the order of these figures.

    Args:
        source: as for `quantize_static`.
        samples: calibrate the ranges, and are what the cost is measured on.
    """
    model = prepared(source)
    candidates = _weighted(model)
    reduced = engine == "onnxruntime" and not multiplies_int8_exactly()
    ranges = _ranges(model, samples, method, engine)

    def build(left_out: frozenset[str]) -> ModelProto:
        return _with_pairs(model, candidates, left_out, ranges, reduced, engine)

    return costs(model, candidates, build, samples, on_step)


def _weighted(model: ModelProto) -> dict[str, NodeProto]:
    """The layers with constant weights, by name, in the graph's order."""
    graph = Graph(model)
    layers = [node for node in graph.nodes if node.op_type in _WEIGHTED]
    return {node.name: node for node in layers if graph.constant(node.input[1]) is not None}


def _op_types(engine: Engine) -> list[str]:
    return [*_WEIGHTED, *_PASSING] if engine == "onnxruntime" else list(_WEIGHTED)


def _ranges(model: ModelProto, samples: Sequence[Sample], method: Method, engine: Engine) -> Any:
    """The range of every activation, as ONNX Runtime's calibrators hand it to its quantizer."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    class Once(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self, sample: Sample) -> None:
            self._samples = iter([dict(sample)])

        def get_next(self) -> Sample | None:
            return next(self._samples, None)

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    options: dict[str, Any] = {"symmetric": engine == "tensorrt"}
    if method == "percentile":
        options["percentile"] = PERCENTILE
    if method == "entropy":
        options |= {"num_bins": ENTROPY_BINS, "num_quantized_bins": 128}
    with tempfile.TemporaryDirectory(prefix="tritonzoo-int8-") as folder, quiet("root"):
        plain, augmented = Path(folder) / "plain.onnx", Path(folder) / "augmented.onnx"
        onnx.save(model, plain)
        calibrator = create_calibrator(
            plain,
            _op_types(engine),
            augmented_model_path=augmented.as_posix(),
            calibrate_method=methods[method],
            extra_options=options,
        )
        names = {tensor.name for tensor in model.graph.input}
        for sample in samples:  # one at a time: a calibrator holds all activations of what it is given
            calibrator.collect_data(Once({k: v for k, v in sample.items() if k in names}))
        return calibrator.compute_data()


def _with_pairs(
    model: ModelProto,
    candidates: Mapping[str, NodeProto],
    left_out: frozenset[str],
    ranges: Any,
    reduced_range: bool,
    engine: Engine,
) -> ModelProto:
    """A copy of the graph with Q/DQ pairs around every candidate but those left out."""
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    if left_out >= candidates.keys():
        return model
    excluded = _with_followers(model, left_out)
    symmetric = engine == "tensorrt"
    options: dict[str, Any] = {
        "WeightSymmetric": True,
        "ActivationSymmetric": symmetric,
        "QuantizeBias": not symmetric,
        "OpTypesToExcludeOutputQuantization": list(_WEIGHTED) if symmetric else [],
    }
    with quiet("root"):
        quantizer = QDQQuantizer(
            onnx.shape_inference.infer_shapes(model),
            per_channel=True,
            reduce_range=reduced_range,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            tensors_range=ranges,
            nodes_to_quantize=[],
            nodes_to_exclude=sorted(excluded),
            op_types_to_quantize=_op_types(engine),
            extra_options=options,
        )
        quantizer.quantize_model()
    quantized: ModelProto = quantizer.model.model
    forget_shapes(quantized)
    return quantized


def _with_followers(model: ModelProto, left_out: frozenset[str]) -> set[str]:
    """The layers left out and what hands their outputs on: it would only quantize them after all."""
    excluded, tainted = set(left_out), set[str]()
    for node in model.graph.node:
        if node.name in left_out or (node.op_type in _PASSING and tainted & set(node.input)):
            excluded.add(node.name)
            tainted |= set(node.output)
    return excluded
