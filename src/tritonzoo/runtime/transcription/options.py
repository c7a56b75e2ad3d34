"""What a caller may ask of a transcription, by request parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import ParameterValue, RequestParameters
from tritonzoo.runtime.transcription.packing import LONGEST_WINDOW_S, PackingOptions
from tritonzoo.runtime.vad import SegmentationOptions

# Read by whisper_decoder, which says what is wrong with them; see its README.
DECODING = (
    "task",
    "timestamps",
    "temperatures",
    "beam_size",
    "patience",
    "length_penalty",
    "max_new_tokens",
    "min_new_tokens",
    "suppress_tokens",
    "seed",
)
# Read by both: there they call for another attempt at a window, here for leaving it out.
THRESHOLDS = ("compression_ratio_threshold", "log_probability_threshold", "no_speech_threshold")

# What the VAD leaves out nobody will read, while a noise that it takes for speech costs a little time, and
# the no-speech guard still has a say. At 0.35 it found all of 2017 digits, clean and with noise at 20 and
# 10 dB; at 0.5 it left out 6. A short digit takes 0.2 s. No padding: the packer keeps more of every pause.
# Speech that goes on is passed on in parts, so that an hour of it without a pause takes no memory.
SPEECH = SegmentationOptions(
    threshold=0.35, min_speech_duration_ms=100, speech_pad_ms=0, max_speech_duration_s=LONGEST_WINDOW_S
)


@dataclass(frozen=True)
class TranscriptionOptions:
    """The parameters of ensemble_transcription and transcription_stream."""

    vad: bool = True  # cut at pauses, windows side by side; False: Whisper's own sequential algorithm
    language: str = ""  # code; empty: detected
    prompt: str = ""
    word_timestamps: bool = False
    condition_on_previous_text: bool = False  # only where vad is False
    compression_ratio_threshold: float | None = 2.4  # None: not looked at; so for the next two
    log_probability_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    language_detection_threshold: float = 0.5
    hallucination_guard: bool = True
    speech: SegmentationOptions = SPEECH
    packing: PackingOptions = field(default_factory=PackingOptions)
    decoding: Mapping[str, ParameterValue] = field(default_factory=dict)  # what whisper_decoder reads

    @classmethod
    def from_parameters(cls, values: Mapping[str, ParameterValue]) -> TranscriptionOptions:
        """Read request parameters; raises InvalidInput, also for a name that there is not."""
        sent = RequestParameters(values)
        known = cls()
        options = cls(
            vad=sent.switch("vad", known.vad),
            language=sent.text("language").strip(),
            prompt=sent.text("prompt"),
            word_timestamps=sent.switch("word_timestamps", known.word_timestamps),
            condition_on_previous_text=sent.switch("condition_on_previous_text", False),
            compression_ratio_threshold=_threshold(sent, "compression_ratio_threshold", 2.4),
            log_probability_threshold=_threshold(sent, "log_probability_threshold", -1.0),
            no_speech_threshold=_threshold(sent, "no_speech_threshold", 0.6),
            language_detection_threshold=sent.number(
                "language_detection_threshold", known.language_detection_threshold, least=0, most=1
            ),
            hallucination_guard=sent.switch("hallucination_guard", known.hallucination_guard),
            speech=replace(
                SPEECH,
                threshold=sent.number("vad_threshold", SPEECH.threshold, least=0.02, most=1),
                min_speech_duration_ms=sent.number(
                    "vad_min_speech_duration_ms", SPEECH.min_speech_duration_ms, least=0, most=5_000
                ),
                min_silence_duration_ms=sent.number(
                    "vad_min_silence_duration_ms", SPEECH.min_silence_duration_ms, least=0, most=5_000
                ),
            ),
            packing=PackingOptions(
                window_s=sent.number("window_s", known.packing.window_s),
                pause_s=sent.number("pause_s", known.packing.pause_s),
            ),
            # A threshold that was not sent is the checkpoint's own, which whisper_decoder knows.
            decoding={name: values[name] for name in THRESHOLDS if name in values} | sent.rest(DECODING),
        )
        if options.vad and options.condition_on_previous_text:
            raise InvalidInput(
                "condition_on_previous_text goes with vad=false: windows that are cut at pauses are decoded"
                " side by side, and none waits for the text before it"
            )
        return options

    def of_decoder(self) -> dict[str, str | int | bool]:
        """The parameters that every window is decoded with, fractions as text: a call carries no float."""
        return {
            name: str(value) if isinstance(value, float) else value for name, value in self.decoding.items()
        }


def _threshold(sent: RequestParameters, name: str, default: float) -> float | None:
    """A number, or None for the word `none`, as whisper_decoder reads it."""
    return None if sent.text(name, "0").strip().lower() == "none" else sent.number(name, default)
