"""The starter, from samples to tokens and times, is what transformers makes of the same checkpoint and sound.

Ours is the exported graphs (the log-mel spectrogram is in the encoder's) and the decoding engine; theirs is the feature
extractor, the network in PyTorch, `generate`, and the tokenizer's word times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

import onnxruntime
from transformers import WhisperProcessor

from tritonzoo.convert.onnx import ToOnnx
from tritonzoo.recipe import Shapes
from tritonzoo.runtime.audio import waveform
from tritonzoo.runtime.whisper.decoding import Outcome
from tritonzoo.runtime.whisper.engine import Engine, EngineOptions
from tritonzoo.runtime.whisper.graphs import Graphs
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.segments import Segment, segments_of
from tritonzoo.runtime.whisper.vocabulary import Vocabulary
from tritonzoo.runtime.whisper.word_times import TimedWord, timed_words
from tritonzoo.speech.voice import WINDOW_SAMPLES, speech_windows
from tritonzoo.speech.whisper_graphs import decoder, encoder, open_checkpoint

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "starters" / "whisper" / "weights"
RECORDINGS = ROOT / "data_samples" / "ensemble_transcription"
WAIT_S = 300
WITHIN_S = 0.04

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One request."""

    window: int
    language: str = "en"
    task: str = "transcribe"
    timestamps: bool = True
    prompt: str = ""


EIGHT = [
    Case(0),
    Case(1, timestamps=False),
    Case(2, prompt=" nine eight"),
    Case(3, language=""),
    Case(4, language="de"),
    Case(5, task="translate"),
    Case(6, prompt=" one", timestamps=False),
    Case(7, language="", task="translate"),
]
TIMED = (0, 1, 2, 3, 7)


class Starter:
    """The checkpoint in transformers and, exported, in the engine; eight windows of 2 to 29 s to hear."""

    def __init__(self, folder: Path) -> None:
        self.model = open_checkpoint(WEIGHTS)
        self.processor = WhisperProcessor.from_pretrained(WEIGHTS)
        self.vocabulary = Vocabulary.load(WEIGHTS)
        whole = Shapes((1, WINDOW_SAMPLES), (1, WINDOW_SAMPLES), (8, WINDOW_SAMPLES))
        exporter = ToOnnx(["waveform"], ("encoded",), {"waveform": whole})
        example = next(iter(speech_windows(np.random.default_rng(0))))
        exporter.export(encoder(WEIGHTS), example, folder / "encoder.onnx")
        for name, graph in decoder(WEIGHTS).items():
            example = next(iter(graph.samples(np.random.default_rng(0))))
            exporter = ToOnnx(list(graph.shapes), graph.outputs, graph.shapes)
            exporter.export(graph.source, example, folder / f"{name}.onnx")
        self.encoder = _session(folder / "encoder.onnx")
        graphs = Graphs(_session(folder / "model.onnx"), _session(folder / "cross.onnx"))
        self.engine = Engine(graphs, self.vocabulary, EngineOptions(max_rows=8))
        clean, noisy, long = (
            waveform((RECORDINGS / name).read_bytes()) for name in ("clean.flac", "noisy.mp3", "pauses.opus")
        )
        rate = 16_000
        self.windows: list[Sound] = [
            clean,
            noisy,
            long[: 12 * rate],
            long[49 * rate : 58 * rate],
            clean[: 2 * rate],
            np.concatenate([noisy, clean]),
            long[: 29 * rate],
            np.concatenate([clean, noisy, clean]),
        ]

    def submit(self, case: Case) -> Any:
        sound = self.windows[case.window]
        padded = np.zeros((1, WINDOW_SAMPLES), np.float32)
        padded[0, : len(sound)] = sound
        encoded = self.encoder.run(None, {"waveform": padded})[0][0]
        options = DecodingOptions(
            language=case.language,
            task=case.task,
            timestamps=case.timestamps,
            prompt=case.prompt,
            word_timestamps=True,
            duration_s=len(sound) / 16_000,
            temperatures=(0.0,),
        )
        return self.engine.submit(encoded, options)

    def generate(self, case: Case, **more: Any) -> Any:
        """What transformers generates."""
        heard = self.processor(
            self.windows[case.window],
            sampling_rate=16_000,
            return_tensors="pt",
            return_attention_mask=True,
        )
        if case.prompt:
            more["prompt_ids"] = self.processor.get_prompt_ids(case.prompt, return_tensors="pt")
        return self.model.generate(
            heard.input_features,
            attention_mask=heard.attention_mask,
            language=case.language or None,
            task=case.task,
            return_timestamps=case.timestamps,
            **more,
        )

    def reference_tokens(self, case: Case) -> list[int]:
        """Those after the prompt, without special ones."""
        tokens: list[int] = self.generate(case, force_unique_generate_call=True)[0].tolist()
        begin = tokens.index(self.vocabulary.start)
        is_said = [
            token < self.vocabulary.end or token >= self.vocabulary.first_timestamp for token in tokens
        ]
        return [token for token, said in zip(tokens[begin:], is_said[begin:], strict=True) if said]

    def segments_and_words(self, outcome: Outcome, case: Case) -> tuple[list[Segment], list[TimedWord]]:
        hypothesis, duration_s = outcome.hypothesis, len(self.windows[case.window]) / 16_000
        segments, _ = segments_of(hypothesis.tokens, self.vocabulary, duration_s)
        width = self.model.config.median_filter_width
        words = timed_words(hypothesis, segments, self.vocabulary, outcome.language, duration_s, width)
        return segments, words


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    made = Starter(tmp_path_factory.mktemp("starter"))
    yield made
    made.engine.close()


def test_tokens_are_those_of_transformers_alone_and_eight_different_ones_in_one_batch(
    starter: Starter,
) -> None:
    expected = [starter.reference_tokens(case) for case in EIGHT]
    alone = [starter.submit(case).result(WAIT_S).hypothesis.tokens for case in EIGHT]
    assert [list(tokens) for tokens in alone] == expected
    together = [starter.submit(case) for case in EIGHT]
    assert [list(future.result(WAIT_S).hypothesis.tokens) for future in together] == expected
    assert sum(map(len, expected)) > 60  # digits and timestamps: something is said in each
    assert all(expected)


@pytest.mark.parametrize("window", TIMED)
def test_segments_are_those_of_transformers(starter: Starter, window: int) -> None:
    """But the first: where it is the only one, transformers lets it begin with the window."""
    case = Case(window)
    theirs = starter.generate(case, return_segments=True)["segments"][0]
    segments, _ = starter.segments_and_words(starter.submit(case).result(WAIT_S), case)
    same = [segment for segment in segments if segment.start_s < float(theirs[-1]["end"]) - WITHIN_S]
    assert len(same) == len(theirs)
    for ours, other in zip(same, theirs, strict=True):
        if len(theirs) > 1:
            assert ours.start_s == pytest.approx(float(other["start"]), abs=WITHIN_S)
        assert ours.end_s == pytest.approx(float(other["end"]), abs=WITHIN_S)


@pytest.mark.parametrize("window", TIMED)
def test_words_are_those_of_transformers(starter: Starter, window: int) -> None:
    """But the first one's start: the path through the attention begins with the window, so transformers says 0.

    Ours is the segment's opening timestamp, as in openai/whisper.
    """
    case = Case(window)
    outcome = starter.submit(case).result(WAIT_S)
    segments, words = starter.segments_and_words(outcome, case)
    answer = starter.generate(case, return_token_timestamps=True, force_unique_generate_call=True)
    _, told = starter.processor.tokenizer._decode_asr(
        [{"tokens": answer["sequences"].numpy(), "token_timestamps": answer["token_timestamps"].numpy()}],
        return_timestamps="word",
        return_language=None,
        time_precision=0.02,
    )
    theirs = told["chunks"]
    assert [word.text for word in words] == [other["text"] for other in theirs]
    assert words
    assert words[0].start_s == pytest.approx(segments[0].start_s)
    assert [word.start_s for word in words[1:]] == pytest.approx(
        [other["timestamp"][0] for other in theirs[1:]], abs=WITHIN_S
    )
    assert [word.end_s for word in words] == pytest.approx(
        [other["timestamp"][1] for other in theirs], abs=WITHIN_S
    )
