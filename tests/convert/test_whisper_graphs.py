"""Whisper's graphs against transformers: the spectrogram, the encoder, the steps of the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

from transformers import WhisperFeatureExtractor

from tritonzoo.convert.fusion import fuse
from tritonzoo.convert.onnx import ToOnnx
from tritonzoo.convert.parity import run_onnx
from tritonzoo.convert.quantize_rows import quantize_rows
from tritonzoo.recipe import LoadedGraph, Tolerance
from tritonzoo.speech.greedy import empty_caches, keep, likeliest
from tritonzoo.speech.log_mel import LogMel
from tritonzoo.speech.random_checkpoint import write_random_checkpoint
from tritonzoo.speech.voice import WINDOW_SAMPLES, voice
from tritonzoo.speech.whisper_decoder import DecoderStep, tensor_names
from tritonzoo.speech.whisper_graphs import alignment_heads, decoder, encoder, open_checkpoint

Waveform = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_checkpoint(tmp_path_factory.mktemp("whisper"), "toy", seed=3, spread=0.3)


@pytest.fixture(scope="module")
def graphs(weights: Path) -> dict[str, LoadedGraph]:
    return decoder(weights)


@pytest.fixture(scope="module")
def step_file(graphs: dict[str, LoadedGraph], tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph, path = graphs["model"], tmp_path_factory.mktemp("graphs") / "model.onnx"
    example = next(iter(graph.samples(np.random.default_rng(0))))
    ToOnnx(list(graph.shapes), graph.outputs, graph.shapes).export(graph.source, example, path)
    return path


def window(samples: Waveform) -> Waveform:
    padded = np.zeros(WINDOW_SAMPLES, np.float32)
    padded[: len(samples)] = samples
    return padded


def windows() -> Iterator[Any]:
    rng = np.random.default_rng(1)
    second = np.arange(16_000) / 16_000
    yield pytest.param(window(voice(rng, 30.0)), id="a full window")
    yield pytest.param(window(voice(rng, 3.7)), id="a short one")
    yield pytest.param(window(np.sin(2 * np.pi * 440 * second).astype(np.float32)), id="a loud tone")
    yield pytest.param(window(np.zeros(0, np.float32)), id="silence")
    yield pytest.param(window(1e-4 * rng.standard_normal(480_000).astype(np.float32)), id="faint noise")


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("samples", list(windows()))
def test_the_log_mel_spectrogram_is_that_of_the_feature_extractor(samples: Waveform, bands: int) -> None:
    extractor = WhisperFeatureExtractor(feature_size=bands)
    expected = extractor(samples, sampling_rate=16_000, return_tensors="np").input_features

    found = LogMel(extractor.mel_filters)(torch.from_numpy(samples[None])).numpy()

    assert found.shape == (1, bands, 3000)
    assert np.abs(found - expected).max() < 2e-4  # of a range of 2; the extractor computes in float32 too


def test_a_windows_spectrogram_does_not_depend_on_its_neighbours() -> None:
    loud = window(voice(np.random.default_rng(2), 30.0))
    log_mel = LogMel(WhisperFeatureExtractor().mel_filters)

    together = log_mel(torch.from_numpy(np.stack([loud * 1e-3, loud])))

    assert torch.allclose(together[:1], log_mel(torch.from_numpy(loud[None] * np.float32(1e-3))), atol=1e-6)


def test_the_encoder_hears_what_transformers_hears(weights: Path) -> None:
    samples = window(voice(np.random.default_rng(4), 8.0))
    features = WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt").input_features

    with torch.inference_mode():
        expected = open_checkpoint(weights).get_encoder()(features).last_hidden_state
        found = encoder(weights)(torch.from_numpy(samples[None]))

    assert torch.allclose(found, expected, atol=1e-4)


def crossed(graphs: dict[str, LoadedGraph], encoded: Any) -> dict[str, Any]:
    with torch.inference_mode():
        caches = graphs["cross"].source(encoded)
    return {name: cache.numpy() for name, cache in zip(graphs["cross"].outputs, caches, strict=True)}


def test_rows_of_different_lengths_get_the_logits_of_transformers(
    weights: Path, graphs: dict[str, LoadedGraph], step_file: Path
) -> None:
    """Prompts of unequal lengths, then single tokens, in caches whose free slots hold rubbish."""
    checkpoint, rng = open_checkpoint(weights), np.random.default_rng(5)
    encoded = torch.from_numpy(rng.standard_normal((3, 1500, 32)).astype(np.float32))
    texts = [rng.integers(0, 50_000, size=length).tolist() for length in (9, 5, 7)]
    caches = empty_caches(crossed(graphs, encoded), slots=12)
    for name, cache in caches.items():
        if name.startswith("self"):
            cache += 1e3
    run = run_onnx(step_file, list(graphs["model"].shapes), list(graphs["model"].outputs))
    past, lengths = np.zeros(3, np.int64), np.array([6, 2, 4])
    while True:
        tokens = np.full((3, lengths.max()), 50_256)
        for row, text in enumerate(texts):
            tokens[row, : lengths[row]] = text[past[row] : past[row] + lengths[row]]
        answer = run({"input_ids": tokens, "past_length": past, "new_length": lengths, **caches})
        for row, text in enumerate(texts):
            keep(caches, answer, row, int(past[row]), int(lengths[row]))
            read = torch.tensor([text[: past[row] + lengths[row]]])
            with torch.inference_mode():
                expected = checkpoint(
                    encoder_outputs=(encoded[row : row + 1],), decoder_input_ids=read, output_attentions=True
                )
            logits = expected.logits[0, -1].numpy()
            assert np.abs(answer["logits"][row] - logits).max() < 1e-4 * np.abs(logits).max()
            for place, (layer, head) in enumerate(alignment_heads(checkpoint)):
                attention = expected.cross_attentions[layer][0, head, past[row] :].numpy()
                found = answer["cross_attention"][row, place, : lengths[row]]
                assert np.abs(found - attention).max() < 1e-5
        past = past + lengths
        if past[0] == len(texts[0]):
            break
        lengths = np.ones(3, np.int64)


def test_greedy_tokens_are_those_of_generate(
    weights: Path, graphs: dict[str, LoadedGraph], step_file: Path
) -> None:
    checkpoint = open_checkpoint(weights)
    checkpoint.generation_config.suppress_tokens = checkpoint.generation_config.begin_suppress_tokens = None
    samples = window(voice(np.random.default_rng(6), 12.0))
    features = WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        encoded = checkpoint.get_encoder()(features).last_hidden_state
        expected = checkpoint.generate(
            features, language="de", task="transcribe", min_new_tokens=20, max_new_tokens=20
        )
    run = run_onnx(step_file, list(graphs["model"].shapes), list(graphs["model"].outputs))

    found = likeliest(run, crossed(graphs, encoded), [50_258, 50_261, 50_359, 50_363], 20)

    assert found == expected[0].tolist()[-20:]
    assert len(set(found)) > 3


def test_alignment_heads_come_in_the_checkpoints_order(weights: Path) -> None:
    checkpoint = open_checkpoint(weights)
    rng = np.random.default_rng(7)
    inputs, _ = tensor_names(2)
    sample = next(iter(decoder(weights)["model"].samples(rng)))
    tensors = [torch.from_numpy(sample[name]) for name in inputs]

    with torch.inference_mode():
        forward = DecoderStep(checkpoint, [(0, 1), (0, 3), (1, 0), (1, 2)])(*tensors)[1]
        shuffled = DecoderStep(checkpoint, [(1, 2), (0, 3), (1, 0), (0, 1)])(*tensors)[1]

    assert torch.equal(shuffled, forward[:, [3, 1, 2, 0]])
    assert torch.allclose(forward.sum(dim=-1), torch.ones(()))


def test_a_checkpoint_that_names_no_heads_gives_those_of_its_later_half(weights: Path) -> None:
    checkpoint = open_checkpoint(weights)
    checkpoint.generation_config.alignment_heads = None

    assert alignment_heads(checkpoint) == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_a_step_in_int8_does_not_look_at_the_neighbouring_rows(
    graphs: dict[str, LoadedGraph], step_file: Path, tmp_path: Path
) -> None:
    graph = graphs["model"]
    names, outputs = list(graph.shapes), list(graph.outputs)
    fuse(step_file, tmp_path / "fused.onnx")
    samples = list(graph.samples(np.random.default_rng(8)))
    exact = run_onnx(step_file, names, outputs)
    from tritonzoo.convert.parity import Reference

    reference = Reference.of(exact, samples)
    quantized = quantize_rows(
        tmp_path / "fused.onnx",
        tmp_path / "int8.onnx",
        samples,
        lambda path: reference.compare(run_onnx(path, names, outputs)),
        Tolerance(cosine=0.9, why="a toy"),
    )
    run = run_onnx(tmp_path / "int8.onnx", names, outputs)

    assert quantized.layers == 13 and not quantized.left_out
    for sample in samples:
        together = run(sample)["logits"]
        for row in range(len(together)):
            alone = run({name: tensor[row : row + 1] for name, tensor in sample.items()})["logits"][0]
            assert np.abs(together[row] - alone).max() < 1e-5 * np.abs(alone).max()
