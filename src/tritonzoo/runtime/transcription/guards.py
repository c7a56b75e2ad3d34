"""What Whisper says where nobody speaks, or says over and over, taken out, with the reason.

The rules are those of openai/whisper's `transcribe` (transcribe.py), with the VAD's word added where it was
asked, which Whisper alone does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tritonzoo.runtime.transcription.decoded import Decoded
from tritonzoo.runtime.transcription.options import TranscriptionOptions
from tritonzoo.runtime.transcription.transcript import Dropped, Segment
from tritonzoo.runtime.transcription.windows import SAMPLE_RATE, Span, Window

# How far from speech, as the VAD hears it, a segment may be and still be speech: soft beginnings and ends.
NEAR_SPEECH_SAMPLES = 3_200


def guarded(
    segments: Iterable[Segment], window: Window, decoded: Decoded, options: TranscriptionOptions
) -> Iterator[Segment | Dropped]:
    """Each segment of one window, or why it is none."""
    before = ""
    silent = is_silent(decoded, options)
    most = options.compression_ratio_threshold
    loops = most is not None and decoded.compression_ratio > most
    for segment in segments:
        text = segment.text.strip()
        if silent:
            yield Dropped(segment, "no_speech")
        elif not text or _is_instantaneous(segment):
            yield Dropped(segment, "empty")
        elif _is_in_silence(segment, window):
            yield Dropped(segment, "silence")
        elif loops and text == before:
            yield Dropped(segment, "repetition")
        else:
            yield segment
        before = text


def is_silent(decoded: Decoded, options: TranscriptionOptions) -> bool:
    """Whether nobody speaks: Whisper's no-speech probability is high and it is not sure of what it wrote."""
    if options.no_speech_threshold is None or decoded.no_speech_probability <= options.no_speech_threshold:
        return False
    sure = options.log_probability_threshold
    return sure is None or decoded.mean_log_probability <= sure


def _is_instantaneous(segment: Segment) -> bool:
    """Whether it takes no time: by its timestamps, or by those of each of its words."""
    takes_none = segment.end_s <= segment.start_s
    return takes_none or (bool(segment.words) and all(word.end_s <= word.start_s for word in segment.words))


def _is_in_silence(segment: Segment, window: Window) -> bool:
    """Whether the VAD hears no speech in it nor near it; always False where it was not asked."""
    if not window.speech:
        return False
    place = Span(
        round(segment.start_s * SAMPLE_RATE) - NEAR_SPEECH_SAMPLES,
        round(segment.end_s * SAMPLE_RATE) + NEAR_SPEECH_SAMPLES,
    )
    return all(span.overlap(place) <= 0 for span in window.speech)
