"""Voice activity: where in a recording somebody speaks, found as the sound comes."""

from tritonzoo.runtime.vad.options import SegmentationOptions
from tritonzoo.runtime.vad.probabilities import WINDOW_SAMPLES, SpeechProbabilities
from tritonzoo.runtime.vad.segmenter import Segmenter, SpeechSegment

__all__ = ["WINDOW_SAMPLES", "SegmentationOptions", "Segmenter", "SpeechProbabilities", "SpeechSegment"]
