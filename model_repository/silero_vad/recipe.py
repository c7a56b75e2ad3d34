"""Silero VAD: the package's network for a whole row of windows, written for speed, the cutting before it."""

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

# The package's network for a row of windows, its convolutions as matrix products: a convolution sees at most
# the four frames of one window, and ONNX Runtime runs it window by window, 11 of 13 ms for 9 s of sound.
# A window is 512 samples after the 64 before it; its end is mirrored, so that the last frame is a whole one.
NETWORK = """
<ir_version: 8, opset_import: ["" : 17], producer_name: "tritonzoo">
silero_vad (float[samples] waveform, float[64] context, float[2, 1, 128] state)
    => (float[windows] speech_probability, float[64] next_context, float[2, 1, 128] next_state)
<int64[2] window = {-1, 512}, int64[3] hops = {-1, 5, 128}, int64[2] of_window = {0, -1},
 int64[3] steps = {0, 1, -1}, int64[1] flat = {-1}, int64[1] tail = {-64}, int64[1] mirror = {-2},
 int64[1] mirror_end = {-66}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2},
 int64[1] four = {4}, int64[1] last = {-1}, int64[1] end = {9223372036854775807}>
{
    windows_only = Reshape (waveform, window)
    tails = Slice (windows_only, tail, end, one)
    before_first = Unsqueeze (context, zero)
    contexts_and_next = Concat <axis = 0> (before_first, tails)
    contexts = Slice (contexts_and_next, zero, last, zero)
    after_last = Slice (contexts_and_next, last, end, zero)
    next_context = Squeeze (after_last, zero)

    mirrored = Slice (windows_only, mirror, mirror_end, one, last)
    heard = Concat <axis = 1> (contexts, windows_only, mirrored)
    in_hops = Reshape (heard, hops)
    first_halves = Slice (in_hops, zero, four, one)
    second_halves = Slice (in_hops, one, end, one)
    frames = Concat <axis = 2> (first_halves, second_halves)
    real = MatMul (frames, cosines)
    imaginary = MatMul (frames, sines)
    real_squared = Mul (real, real)
    imaginary_squared = Mul (imaginary, imaginary)
    power = Add (real_squared, imaginary_squared)
    magnitude = Sqrt (power)

    encoded = Reshape (magnitude, of_window)
    sum_0 = Gemm (encoded, matrix_0, bias_0)
    encoded_0 = Relu (sum_0)
    sum_1 = Gemm (encoded_0, matrix_1, bias_1)
    encoded_1 = Relu (sum_1)
    sum_2 = Gemm (encoded_1, matrix_2, bias_2)
    encoded_2 = Relu (sum_2)
    sum_3 = Gemm (encoded_2, matrix_3, bias_3)
    encoded_3 = Relu (sum_3)

    sequence = Reshape (encoded_3, steps)
    hidden = Slice (state, zero, one, zero)
    cell = Slice (state, one, two, zero)
    heard_so_far, next_hidden, next_cell = LSTM <hidden_size = 128> (
        sequence, lstm_weight, lstm_recurrence, lstm_bias, , hidden, cell)
    next_state = Concat <axis = 0> (next_hidden, next_cell)
    features = Reshape (heard_so_far, of_window)
    active = Relu (features)
    logit = Gemm (active, output_matrix, output_bias)
    probability = Sigmoid (logit)
    speech_probability = Reshape (probability, flat)
}
"""
ENCODER = ((4, 1), (4, 2), (2, 2), (1, 1))  # of each convolution: frames that it sees, stride

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
    # No int8, tried on the package's graph: as Q/DQ pairs not one of the six convolutions holds 0.1; the LSTM
    # in dynamic int8 is off by up to 0.028 and takes 5 % longer (ONNX Runtime 1.23, 1 thread, AVX512-VNNI).
    tolerance={
        "fp32": Tolerance(atol=1e-4, why="same float32 arithmetic; no threshold is set finer than 0.01"),
        "fp16": Tolerance(
            atol=0.02, why="of the state too, whose largest numbers are about 30; thresholds are 0.15 apart"
        ),
    },
)


def network(package: ModelProto) -> ModelProto:
    """NETWORK with the weights of the package's graph for many windows."""
    from onnx import numpy_helper, parser

    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in package.graph.initializer}
    cosines, sines = np.split(given["stft.forward_basis_buffer"][:, 0], 2)
    (lstm,) = (node for node in package.graph.node if node.op_type == "LSTM")
    weights = {
        "cosines": cosines.T,
        "sines": sines.T,
        "output_matrix": given["output.weight"][..., 0].T,
        "output_bias": given["output.bias"],
        **{
            f"lstm_{name}": given[lstm.input[at]]
            for at, name in enumerate(("weight", "recurrence", "bias"), 1)
        },
    }
    for layer, (frames, stride) in enumerate(ENCODER):
        kernel, bias = given[f"encoder.{layer}.weight"], given[f"encoder.{layer}.bias"]
        weights[f"matrix_{layer}"] = convolution_matrix(kernel, frames, stride)
        weights[f"bias_{layer}"] = np.tile(bias, weights[f"matrix_{layer}"].shape[1] // bias.size)
    model = parser.parse_model(NETWORK)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()
    )
    return model


def convolution_matrix(kernel: NDArray[np.float32], frames: int, stride: int) -> NDArray[np.float32]:
    """What a convolution padded by 1 does to so few frames, as (frames * channels, frames after * filters).

    kernel: (filters, channels, 3).
    """
    filters, channels, taps = kernel.shape
    after = (frames - 1) // stride + 1
    matrix = np.zeros((frames, channels, after, filters), np.float32)
    for place in range(after):
        for tap in range(taps):
            frame = place * stride + tap - 1
            if 0 <= frame < frames:
                matrix[frame, :, place] = kernel[:, :, tap].T
    return matrix.reshape(frames * channels, after * filters)


def load(weights: Path) -> OnnxFile:
    """The package's network for many windows at once, held to its graph for one."""
    from onnxruntime import InferenceSession

    from tritonzoo.convert.onnx import OnnxFile

    one_window = InferenceSession(weights / "silero_vad.onnx", providers=["CPUExecutionProvider"])

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

    return OnnxFile(weights / "silero_vad_16k_sequence.onnx", {}, network, reference)


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
