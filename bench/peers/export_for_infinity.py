"""A checkpoint as the folder that infinity's `optimum` engine serves, optimised, in float32 and int8.

    python export_for_infinity.py CHECKPOINT FOLDER --task embedding|classification

Runs in infinity's own environment. FOLDER/float32 and FOLDER/int8 each get the checkpoint's small files
and one graph whose name ends in `_optimized.onnx`, which the engine takes as it is: in float32
optimum's level 99, which fuses attention, layer norms and GELU; in int8 that graph quantised, weights
for each channel and activations at run time.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.onnxruntime import (
    ORTModelForFeatureExtraction,
    ORTModelForSequenceClassification,
    ORTOptimizer,
)
from optimum.onnxruntime.configuration import OptimizationConfig
from transformers import AutoModel, AutoModelForSequenceClassification

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
LOADERS: dict[str, tuple[Any, Any, str]] = {
    "embedding": (AutoModel, ORTModelForFeatureExtraction, "last_hidden_state"),
    "classification": (AutoModelForSequenceClassification, ORTModelForSequenceClassification, "logits"),
}
OPTIMIZED = "model_optimized.onnx"


class ByPosition(torch.nn.Module):
    """The checkpoint with its inputs in a fixed order and one output."""

    def __init__(self, network: torch.nn.Module, output: str) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return getattr(self.network(**dict(zip(INPUTS, tensors, strict=True))), self.output)


def export(checkpoint: Path, task: str, path: Path) -> None:
    loader, _, output = LOADERS[task]
    network = loader.from_pretrained(
        checkpoint, trust_remote_code=True, dtype=torch.float32, attn_implementation="eager"
    )
    example = torch.ones(2, 16, dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        ByPosition(network.eval(), output),
        (example, example, example * 0),
        str(path),
        input_names=list(INPUTS),
        output_names=[output],
        dynamic_axes={**dict.fromkeys(INPUTS, axes), output: axes if task == "embedding" else {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=LOADERS, required=True)
    arguments = parser.parse_args()
    plain, optimized, int8 = (arguments.folder / name for name in ("plain", "float32", "int8"))
    for folder in (plain, optimized, int8):
        shutil.copytree(
            arguments.checkpoint, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors")
        )
    export(arguments.checkpoint, arguments.task, plain / "model.onnx")
    model = LOADERS[arguments.task][1].from_pretrained(
        plain, file_name="model.onnx", trust_remote_code=True, provider="CPUExecutionProvider"
    )
    ORTOptimizer.from_pretrained(model).optimize(
        OptimizationConfig(optimization_level=99),
        save_dir=optimized,
        one_external_file=True,
    )
    quantize_dynamic(
        optimized / OPTIMIZED,
        int8 / OPTIMIZED,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},  # of what fused operators give
    )


if __name__ == "__main__":
    main()
