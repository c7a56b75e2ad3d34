"""Find where in a recording somebody speaks."""

from __future__ import annotations

from functools import partial

import numpy as np

from tritonzoo.runtime.audio import request_blocks
from tritonzoo.runtime.concurrent import ConcurrentModel
from tritonzoo.runtime.errors import CancelledError
from tritonzoo.runtime.model import Answer
from tritonzoo.runtime.request import Request
from tritonzoo.runtime.vad import SegmentationOptions, Segmenter, SpeechProbabilities

BLOCK_S = 32.0  # 1000 windows: a call costs 0.1 s, beside which passing 2 MB on is nothing


class TritonPythonModel(ConcurrentModel):
    """Decodes a recording block by block, so that an hour takes the memory of a minute."""

    read_parameters = SegmentationOptions.of_recording

    def infer_request(self, request: Request) -> Answer:
        """audio (1,) or waveform (samples,); segment_*_s: (segments,), speech_probability: (windows,)."""
        segmenter = Segmenter(self.options(request))
        stream = SpeechProbabilities(partial(self.call, "silero_vad"))
        probabilities, segments = [], []
        blocks = request_blocks(request.get("audio"), request.get("waveform"), block_s=BLOCK_S)
        block = next(blocks, None)
        while block is not None:
            if request.is_cancelled():
                raise CancelledError("the caller cancelled the request")
            following = next(blocks, None)
            probabilities.append(stream.feed(block, last=following is None))
            segments += segmenter.feed(probabilities[-1].tolist())
            block = following
        segments += segmenter.finish(stream.samples)
        return {
            "segment_start_s": np.array([segment.start_s for segment in segments], np.float64),
            "segment_end_s": np.array([segment.end_s for segment in segments], np.float64),
            "speech_probability": np.concatenate(probabilities),
        }
