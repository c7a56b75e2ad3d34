"""int8 with calibrated activations, as Q/DQ pairs around each layer: for convolutional networks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tritonzoo.convert.graph import Graph, forget_shapes, prune, quiet
from tritonzoo.convert.quantize import Quantized, multiplies_int8_exactly, prepared, search
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from tritonzoo.convert.quantize import Evaluate, Sample, Step

Method = Literal["minmax", "entropy", "percentile"]
Engine = Literal["tensorrt", "onnxruntime"]
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# What passes quantized numbers on, so that ONNX Runtime stays in int8 from one convolution to the next.
_PASSING = ("Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Reshape", "Flatten")
