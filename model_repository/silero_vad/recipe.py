"""Silero VAD: the package's graph for a whole row of windows, with the cutting into windows put before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.recipe import Package, Recipe, Shapes, Tolerance

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from tritonzoo.convert.onnx import OnnxFile

    Tensors = Mapping[str, NDArray[Any]]

WINDOW, CONTEXT = 512, 64  # samples at 16 kHz

# Windows of 512 samples, each with the 64 before it. `input`, `h` and `c` are what the package's graph takes.
BEFORE = """
<ir_version: 8, opset_import: ["" : 16]>
cut (float[samples] waveform, float[64] context, float[2, 1, 128] state)
    => (float[windows, 576] input, float[1, 1, 128] h, float[1, 1, 128] c, float[64] next_context)
<int64[2] window = {-1, 512}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2},
 int64[1] last = {-1}, int64[1] tail = {-64}, int64[1] end = {9223372036854775807}>
{
    windows_only = Reshape (waveform, window)
    tails = Slice (windows_only, tail, end, one)
    before_first = Unsqueeze (context, zero)
    contexts_and_next = Concat <axis = 0> (before_first, tails)
    contexts = Slice (contexts_and_next, zero, last, zero)
    input = Concat <axis = 1> (contexts, windows_only)
    after_last = Slice (contexts_and_next, last, end, zero)
    next_context = Squeeze (after_last, zero)
    h = Slice (state, zero, one, zero)
    c = Slice (state, one, two, zero)
}
"""
AFTER = """
<ir_version: 8, opset_import: ["" : 16]>
join (float[1, 1, 128] hn, float[1, 1, 128] cn) => (float[2, 1, 128] next_state)
{
    next_state = Concat <axis = 0> (hn, cn)
}
"""

recipe = Recipe(
    sources={
        "starter": Package(
            "silero-vad",
            "6.2.3",
            sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
            path="silero_vad/data",
        )
    },
    license="MIT",
    shapes={
        "waveform": Shapes(min=(WINDOW,), opt=(62 * WINDOW,), max=(1875 * WINDOW,)),  # 32 ms, 2 s, 60 s
        "context": Shapes(min=(CONTEXT,), opt=(CONTEXT,), max=(CONTEXT,)),
        "state": Shapes(min=(2, 1, 128), opt=(2, 1, 128), max=(2, 1, 128)),
    },
    # No int8: as Q/DQ pairs not one of the six convolutions holds 0.1; the LSTM in dynamic int8, two thirds
    # of the weights, is off by up to 0.028 and takes 5 % longer (ONNX Runtime 1.23, 1 thread, AVX512-VNNI).
    tolerance={
        "fp32": Tolerance(atol=1e-4, why="same float32 arithmetic; no threshold is set finer than 0.01"),
        "fp16": Tolerance(
            atol=0.02, why="of the state too, whose largest numbers are about 30; thresholds are 0.15 apart"
        ),
    },
)


def load(weights: Path) -> OnnxFile:
    """The package's graph for many windows at once, held to its graph for one."""
    from onnx import compose, parser
    from onnxruntime import InferenceSession

    from tritonzoo.convert.onnx import OnnxFile

    one_window = InferenceSession(weights / "silero_vad.onnx", providers=["CPUExecutionProvider"])

    def edit(model: ModelProto) -> ModelProto:
        before, after = parser.parse_model(BEFORE), parser.parse_model(AFTER)
        for part in (before, after, model):
            part.ir_version = model.ir_version
        kept = [output.name for output in before.graph.output][:3]
        framed = compose.merge_models(before, model, io_map=[(name, name) for name in kept])
        return compose.merge_models(framed, after, io_map=[("hn", "hn"), ("cn", "cn")])

    def reference(sample: Tensors) -> Tensors:
        """One call a window, as the package does it."""
        context, state = sample["context"][None], sample["state"]
        probabilities = []
        for window in sample["waveform"].reshape(-1, 1, WINDOW):
            heard = np.concatenate([context, window], axis=1)
            feed = {"input": heard, "state": state, "sr": np.array(16_000)}
            probability, state = one_window.run(["output", "stateN"], feed)
            probabilities.append(probability[0, 0])
            context = heard[:, -CONTEXT:]
        return {
            "speech_probability": np.array(probabilities),
            "next_context": context[0],
            "next_state": state,
        }

    names = {"speech_probs": "speech_probability"}
    return OnnxFile(weights / "silero_vad_16k_sequence.onnx", names, edit, reference)


def samples(rng: np.random.Generator) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Talk with pauses, in hiss; first windows of a stream and later ones."""
    for windows in (1, 2, 31, 187, 1000):
        later = windows % 2
        waveform = babble(rng, windows * WINDOW) + rng.choice([0.001, 0.01]) * rng.normal(
            size=windows * WINDOW
        )
        yield {
            "waveform": waveform.astype(np.float32),
            "context": (later * 0.1 * rng.normal(size=CONTEXT)).astype(np.float32),
            "state": (later * 0.3 * rng.normal(size=(2, 1, 128))).astype(np.float32),
        }


def babble(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Vowels in a row, five a second, with a pause every four seconds: what the model takes for speech.

    Harmonics of a wavering pitch, each as loud as the nearest formants make it (means of men's vowels:
    Peterson and Barney 1952).
    """
    formants_hz = np.array([[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480]])
    seconds = np.arange(samples) / 16_000
    fifths = np.arange(0, seconds[-1] + 0.4, 0.2)
    pitch_hz = np.interp(seconds, fifths, rng.uniform(90, 140, fifths.size))
    vowels = formants_hz[rng.integers(0, len(formants_hz), fifths.size)]  # (fifths, formants)
    tracks_hz = [np.interp(seconds, fifths, vowels[:, formant]) for formant in range(3)]
    phase = 2 * np.pi * np.cumsum(pitch_hz) / 16_000
    voice = np.zeros(samples)
    for harmonic in range(1, 32):
        for loudness, track_hz in zip((1, 0.5, 0.25), tracks_hz, strict=True):
            gain = loudness / (1 + ((harmonic * pitch_hz - track_hz) / 80) ** 2)
            voice += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(8 * np.pi * seconds) + 0.6, 0, 1)
    talking = np.sin(0.5 * np.pi * seconds) > -0.5
    return 0.15 * voice * syllables * talking
