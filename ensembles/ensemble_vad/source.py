"""A recording to its speech with the silero-vad package; `tritonzoo golden --record` asks it.

The file is read by `runtime.audio`, which is held to FFmpeg by itself (tests/models/test_audio_formats.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform

if TYPE_CHECKING:
    from tritonzoo.convert.parity import Run, Tensors
    from tritonzoo.repository import Repository


def source(repository: Repository, variant: str) -> Run:
    import torch
    from silero_vad import get_speech_timestamps, load_silero_vad

    model = load_silero_vad(onnx=True)

    def run(inputs: Tensors) -> Tensors:
        sound = torch.from_numpy(waveform(inputs["audio"][0]))
        speech = get_speech_timestamps(sound, model)
        return {
            "segment_start_s": np.array([each["start"] for each in speech]) / SAMPLE_RATE_HZ,
            "segment_end_s": np.array([each["end"] for each in speech]) / SAMPLE_RATE_HZ,
            "speech_probability": model.audio_forward(sound[None], SAMPLE_RATE_HZ).numpy()[0],
        }

    return run
