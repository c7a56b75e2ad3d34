"""The tokens of the decoding engine are those of transformers' `generate`, token for token.

Checkpoints with random weights at published sizes, made on the spot. Timestamps are made likelier than chance, and
a token that is said changes places with the end, so that segments close and answers end.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
pytest.importorskip("transformers", reason="conversion needs tritonzoo[convert]")

import onnxruntime
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper import generation_whisper

from tritonzoo.convert.onnx import ToOnnx
from tritonzoo.runtime.whisper.alignment import token_frames
from tritonzoo.runtime.whisper.engine import Engine, EngineOptions
from tritonzoo.runtime.whisper.graphs import Graphs
from tritonzoo.runtime.whisper.options import DecodingOptions
from tritonzoo.runtime.whisper.segments import segments_of
from tritonzoo.runtime.whisper.vocabulary import Vocabulary
from tritonzoo.speech.random_checkpoint import write_random_checkpoint
from tritonzoo.speech.whisper_graphs import decoder, open_checkpoint

WAIT_S = 300


@dataclass(frozen=True)
class Case:
    """One request."""

    window: int
    language: str = "en"
    task: str = "transcribe"
    timestamps: bool = True
    prompt: tuple[int, ...] = ()
    most: int = 0


EIGHT = [
    Case(0, timestamps=False),
    Case(1, language="de", task="translate"),
    Case(2, language=""),
    Case(3, language="fr", timestamps=False, prompt=(300, 301, 302)),
    Case(4, language="ja", prompt=tuple(range(1000, 1150))),
    Case(5, language="", task="translate", timestamps=False),
    Case(6, language="es", prompt=(7000, 8000)),
    Case(7, language="zh", most=5),
]


class Whisper:
    """A checkpoint in transformers and, exported, in the engine."""

    def __init__(self, size: str, folder: Path, spread: float) -> None:
        write_random_checkpoint(folder, size, seed=3, spread=spread)
        model = open_checkpoint(folder)
        embedding = model.get_input_embeddings().weight
        self.vocabulary = Vocabulary.load(folder)
        self.width, self.model = model.config.d_model, model
        with torch.no_grad():
            embedding[self.vocabulary.first_timestamp :] *= 1.5
            said = self.reference_tokens(EIGHT[0], 6)[-1]
            embedding[[said, self.vocabulary.end]] = embedding[[self.vocabulary.end, said]]
        model.save_pretrained(folder)
        self.model = open_checkpoint(folder)
        for name, graph in decoder(folder).items():
            example = next(iter(graph.samples(np.random.default_rng(0))))
            exporter = ToOnnx(list(graph.shapes), graph.outputs, graph.shapes)
            exporter.export(graph.source, example, folder / f"{name}.onnx")
        self.graphs = Graphs(_session(folder / "model.onnx"), _session(folder / "cross.onnx"))

    def engine(self, **options: int) -> Engine:
        return Engine(self.graphs, self.vocabulary, EngineOptions(**options))

    def encoded(self, window: int) -> Any:
        spread = np.linspace(0.5, 4, 8)[window]
        values = np.random.default_rng(window).normal(size=(1500, self.width)) * spread
        return values.astype(np.float32)

    def reference(self, case: Case, most: int, **more: Any) -> Any:
        """What transformers generates."""
        if case.prompt:
            more["prompt_ids"] = torch.tensor([self.vocabulary.previous, *case.prompt])
        if case.most or most:
            more["max_new_tokens"] = case.most or most
        return self.model.generate(
            encoder_outputs=BaseModelOutput(torch.from_numpy(self.encoded(case.window))[None]),
            language=case.language or None,
            task=case.task,
            return_timestamps=case.timestamps,
            force_unique_generate_call=True,
            **more,
        )

    def reference_tokens(self, case: Case, most: int) -> list[int]:
        """The generated ones, the end among them where it was reached."""
        tokens = self.reference(case, most)[0].tolist()
        before = len(case.prompt) + 1 if case.prompt else 0
        return tokens[before + 3 + (not case.timestamps) :]


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=["toy", "tiny", "small"])
def whisper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whisper]:
    spread = 0.3 if request.param == "toy" else 0.05
    yield Whisper(request.param, tmp_path_factory.mktemp("whisper"), spread)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return Whisper("toy", tmp_path_factory.mktemp("toy"), 0.3)


def most_tokens(whisper: Whisper) -> int:
    """As many as the model has room for, or as many as a large one is given time for."""
    return {32: 0, 384: 30, 768: 8}[whisper.width]


def options_of(case: Case, most: int, **more: Any) -> DecodingOptions:
    return DecodingOptions(
        language=case.language,
        task=case.task,
        timestamps=case.timestamps,
        prompt_tokens=case.prompt,
        max_new_tokens=case.most or most,
        **{"temperatures": (0.0,), **more},
    )


def tokens_and_end(future: Any, vocabulary: Vocabulary) -> list[int]:
    hypothesis = future.result(WAIT_S).hypothesis
    return [*hypothesis.tokens, *([vocabulary.end] if hypothesis.is_ended else [])]


def test_tokens_are_those_of_transformers_alone_together_and_joining_midway(whisper: Whisper) -> None:
    most = most_tokens(whisper)
    cases = EIGHT if whisper.width < 768 else EIGHT[:4]
    expected = [whisper.reference_tokens(case, most) for case in cases]
    engine = whisper.engine(max_rows=8)

    def submit(case: Case) -> Any:
        return engine.submit(whisper.encoded(case.window), options_of(case, most))

    alone = [tokens_and_end(submit(case), whisper.vocabulary) for case in cases]
    assert alone == expected
    futures = [submit(case) for case in cases]
    assert [tokens_and_end(future, whisper.vocabulary) for future in futures] == expected
    late = []
    for case in cases:
        steps = engine.tally.steps
        late.append(submit(case))
        while engine.tally.steps < steps + 2 and not late[-1].done():
            threading.Event().wait(0.0005)
    assert [tokens_and_end(future, whisper.vocabulary) for future in late] == expected
    engine.close()


def test_without_the_no_speech_probability_the_prompt_is_read_at_once_and_tokens_are_the_same(
    toy: Whisper,
) -> None:
    engine = toy.engine(max_rows=3)
    for case in EIGHT:
        future = engine.submit(toy.encoded(case.window), options_of(case, 20, no_speech_threshold=None))
        assert tokens_and_end(future, toy.vocabulary) == toy.reference_tokens(case, 20)
    engine.close()


def test_some_answers_end_by_themselves_and_some_are_cut(toy: Whisper) -> None:
    engine = toy.engine(max_rows=8)
    futures = [engine.submit(toy.encoded(case.window), options_of(case, 0)) for case in EIGHT]
    assert {future.result(WAIT_S).stop_reason for future in futures} == {"stop", "length"}
    engine.close()


def test_log_probabilities_are_those_of_transformers_scores(toy: Whisper) -> None:
    engine = toy.engine()
    for case in EIGHT[:4]:
        answer = toy.reference(case, 12, output_scores=True, return_dict_in_generate=True)
        outcome = engine.submit(toy.encoded(case.window), options_of(case, 12)).result(WAIT_S)
        chosen = outcome.hypothesis.log_probabilities
        scores = [score[0].log_softmax(-1).max().item() for score in answer["scores"][: len(chosen)]]
        assert np.allclose(chosen, scores, atol=2e-4)
    engine.close()


def test_frames_of_tokens_are_those_of_transformers_on_the_same_attention() -> None:
    for seed, (tokens, frames) in enumerate([(2, 50), (9, 300), (40, 1500)]):
        attention = np.random.default_rng(seed).random((tokens, 3, frames), dtype=np.float32)
        weights = torch.from_numpy(attention.swapaxes(0, 1).copy())[None]
        std, mean = weights.std(dim=-2, keepdim=True, unbiased=False), weights.mean(dim=-2, keepdim=True)
        matrix = generation_whisper._median_filter((weights - mean) / std, 7).mean(dim=1)[0]
        text, times = generation_whisper._dynamic_time_warping(-matrix.double().numpy())
        jumps = np.pad(np.diff(text), (1, 0), constant_values=1).astype(bool)
        assert token_frames(list(attention), 7).tolist() == times[jumps].tolist()


def test_the_attention_that_words_are_timed_by_is_that_of_transformers(toy: Whisper) -> None:
    """With the test above: so are the times. Where attention is flat, a path follows its last digits."""
    engine = toy.engine()
    heads = toy.model.generation_config.alignment_heads
    for case in EIGHT[:5]:
        answer = toy.reference(case, 12, output_attentions=True, return_dict_in_generate=True)
        options = options_of(case, 12, word_timestamps=True, duration_s=12.3)
        hypothesis = engine.submit(toy.encoded(case.window), options).result(WAIT_S).hypothesis
        assert len(hypothesis.attention) == len(answer["cross_attentions"])
        for found, layers in zip(hypothesis.attention, answer["cross_attentions"], strict=True):
            expected = np.stack([layers[layer][0, head, -1].numpy() for layer, head in heads])
            assert found.shape == (len(heads), 615)
            assert np.allclose(found, expected[:, :615], atol=1e-5)
    engine.close()


def test_segments_are_cut_where_transformers_cuts_them(toy: Whisper) -> None:
    """Random answers; a segment's tokens and the place to go on from."""
    vocabulary, first = toy.vocabulary, toy.vocabulary.first_timestamp
    random = np.random.default_rng(0)
    for _ in range(200):
        times = np.sort(random.integers(1, 1400, size=random.integers(1, 7))) + first
        parts = [[time] if random.random() < 0.4 else [time, 60, 61] for time in times.tolist()]
        tokens = [first, 50, 51, *itertools.chain.from_iterable(parts)]
        if random.random() < 0.5:
            tokens.append(tokens[-1] if tokens[-1] >= first else first + 1400)
        expected, consumed = generation_whisper.WhisperGenerationMixin._retrieve_segment(
            seek_sequence=torch.tensor(tokens),
            seek_outputs=[{}],
            time_offset=torch.zeros(1, dtype=torch.float64),
            timestamp_begin=first,
            seek_num_frames=torch.tensor([3000]),
            time_precision=0.02,
            time_precision_features=0.01,
            input_stride=2,
            prev_idx=0,
            idx=0,
            return_token_timestamps=False,
            decoder_input_ids=torch.zeros(1, 0),
        )
        segments, consumed_s = segments_of(tokens, vocabulary, 30.0)
        assert consumed_s == pytest.approx(int(consumed) * 0.01)
        whole = [segment for segment in segments if segment.start_s < consumed_s]
        with_text = [each for each in expected if (each["tokens"] < first).any()]
        if len(expected) > 1:
            assert [segment.start_s for segment in whole] == pytest.approx(
                [float(e["start"]) for e in with_text]
            )
            assert [segment.end_s for segment in whole] == pytest.approx([float(e["end"]) for e in with_text])
