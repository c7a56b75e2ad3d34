"""Attention found in every form that models are exported in, fused into one node, with the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
transformers = pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

from tests.convert.graphs import node, operators, save
from tritonzoo.convert.fusion import fuse
from tritonzoo.convert.parity import Reference, run_onnx
from tritonzoo.errors import ConversionError

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.5,  # so that attention matters to the answer
}


class LastHidden(torch.nn.Module):
    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        inputs = (x,) if mask is None else (x, mask)
        return self.encoder(*inputs).last_hidden_state


def encoder(kind: str, attention: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "bert":
        module = transformers.BertModel(transformers.BertConfig(**SMALL), add_pooling_layer=False)
    elif kind == "distilbert":
        config = transformers.DistilBertConfig(
            dim=32, n_layers=2, n_heads=4, hidden_dim=64, initializer_range=0.5
        )
        module = transformers.DistilBertModel(config)
    elif kind == "mpnet":  # adds relative positions to its scores
        module = transformers.MPNetModel(transformers.MPNetConfig(**SMALL), add_pooling_layer=False)
    else:
        config = transformers.ViTConfig(**SMALL, image_size=16, patch_size=8)
        module = transformers.ViTModel(config, add_pooling_layer=False)
    if kind != "mpnet":
        module.set_attn_implementation(attention)
    return LastHidden(module.eval())


def texts() -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    for batch, longest in ((3, 7), (1, 2), (4, 12)):
        lengths = rng.integers(1, longest + 1, size=(batch, 1))
        lengths[0] = longest
        yield {
            "x": rng.integers(3, 900, size=(batch, longest)),
            "mask": (np.arange(longest) < lengths).astype(np.int64),
        }


def images() -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    for batch in (2, 1, 5):
        yield {"x": rng.standard_normal((batch, 3, 16, 16)).astype(np.float32)}


def export(module: torch.nn.Module, sample: dict[str, np.ndarray], path: Path, dynamo: bool = False) -> Path:
    axes = {
        name: {0: "batch", 1: "tokens"} if value.ndim == 2 else {0: "batch"} for name, value in sample.items()
    }
    how = {"dynamic_axes": axes, "opset_version": 17, "dynamo": False}
    if dynamo:
        dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
        how = {
            "dynamic_shapes": (dims,) * len(sample),
            "opset_version": 18,
            "dynamo": True,
            "external_data": False,
        }
    with torch.inference_mode():
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(value) for value in sample.values()),
            path,
            input_names=list(sample),
            output_names=["y"],
            **how,
        )
    return path


CASES = [
    (kind, attention, dynamo)
    for kind in ("bert", "distilbert", "mpnet", "vit")
    for attention in ("sdpa", "eager")
    for dynamo in (False, True)
    if kind == "bert" or not dynamo  # torch's newer exporter, at some seconds a case
    if kind != "mpnet" or attention == "eager"  # it has but one form
]


@pytest.mark.filterwarnings("ignore")  # of the exporter, about what is measured here
@pytest.mark.parametrize(("kind", "attention", "dynamo"), CASES)
def test_attention_becomes_one_node_and_answers_stay(
    tmp_path: Path, kind: str, attention: str, dynamo: bool
) -> None:
    samples = list(images() if kind == "vit" else texts())
    source = export(encoder(kind, attention), samples[0], tmp_path / "model.onnx", dynamo)
    fused = fuse(source, tmp_path / "model.fused.onnx")
    assert fused.counts["MultiHeadAttention"] == 2 and fused.counts["BiasGelu"] == 2
    assert "Softmax" not in operators(tmp_path / "model.fused.onnx")
    assert fused.nodes_after < fused.nodes_before * 0.75
    names = list(samples[0])
    parity = Reference.of(run_onnx(source, names, ["y"]), samples).compare(
        run_onnx(tmp_path / "model.fused.onnx", names, ["y"])
    )
    assert parity.errors["y"].max_abs < 2e-5 and parity.errors["y"].min_cosine > 0.999999


@pytest.mark.filterwarnings("ignore")
def test_attention_matters_to_these_answers(tmp_path: Path) -> None:
    """Else the test above would pass with any attention at all."""
    sample = next(texts())
    source = export(encoder("bert", "sdpa"), sample, tmp_path / "model.onnx")
    run = run_onnx(source, list(sample), ["y"])
    masked = sample | {"mask": sample["mask"] * (np.arange(7) != 3)}
    assert np.abs(run(sample)["y"][0, 0] - run(masked)["y"][0, 0]).max() > 1e-2


def test_a_softmax_over_something_else_is_left_alone(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)}
    nodes = [node("MatMul", ["x", "w"], "logits"), node("Softmax", ["logits"], "y", axis=-1)]
    source = save(tmp_path / "model.onnx", nodes, weights, ["batch", 6], ["batch", 4])
    fused = fuse(source, tmp_path / "model.fused.onnx")
    assert fused.counts == {} and str(fused) == "nothing fused, 2 nodes became 2"
    assert operators(tmp_path / "model.fused.onnx") == ["MatMul", "Softmax"]


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    source = save(
        tmp_path / "whole.onnx", [node("Tanh", ["x"], "y")], {"w": np.ones(999, np.float32)}, [1, 2], [1, 2]
    )
    (tmp_path / "model.onnx").write_bytes(source.read_bytes()[:-50])
    with pytest.raises(ConversionError, match=r"model.onnx cannot be read as ONNX.*convert the model anew"):
        fuse(tmp_path / "model.onnx", tmp_path / "model.fused.onnx")
    assert not (tmp_path / "model.fused.onnx").exists()


def test_a_mask_of_zeros_and_infinities_is_sound(tmp_path: Path) -> None:
    mask = np.triu(np.full((4, 4), -np.inf, np.float32), 1)
    nodes = [node("Add", ["x", "mask"], "scores"), node("Softmax", ["scores"], "y", axis=-1)]
    source = save(tmp_path / "model.onnx", nodes, {"mask": mask}, ["batch", 4, 4], ["batch", 4, 4])
    fuse(source, tmp_path / "model.fused.onnx")
    weights = onnx.load(tmp_path / "model.fused.onnx").graph.initializer
    assert np.array_equal(onnx.numpy_helper.to_array(weights[0]), mask)
