"""What a caller may ask of a transcription, by request parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.request_parameters import ParameterValue, RequestParameters
from tritonzoo.runtime.transcription.packing import LONGEST_WINDOW_S, PackingOptions
from tritonzoo.runtime.vad import SegmentationOptions
from tritonzoo.runtime.whisper.options import PARAMETERS

# Read by whisper_decoder, which says what is wrong with them; see its README.
DECODING = {
    name: PARAMETERS[name]
    for name in (
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
}
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
class Advice:
    """What a checkpoint advises in its generation_config.json; a caller has the last word."""

    window_s: float | None = None  # the longest window; None: any
    log_probability_threshold: float | None = -1.0  # None: not looked at


NO_ADVICE = Advice()


@dataclass(frozen=True)
class TranscriptionOptions:
    """The parameters of ensemble_transcription and transcription_stream."""

    vad: bool = True  # cut at pauses, windows side by side; False: Whisper's own sequential algorithm
    language: str = ""  # code; empty: detected
    prompt: str = ""
    word_timestamps: bool = False
    condition_on_previous_text: bool = False  # only where vad is False
    compression_ratio_threshold: float | None = 2.4  # None: not looked at; so for the next two
    log_probability_threshold: float | None = NO_ADVICE.log_probability_threshold
    no_speech_threshold: float | None = 0.6
    language_detection_threshold: float = 0.5
    hallucination_guard: bool = True
    speech: SegmentationOptions = SPEECH
    packing: PackingOptions = field(default_factory=PackingOptions)
    decoding: Mapping[str, ParameterValue] = field(default_factory=dict)  # what whisper_decoder reads

    @classmethod
    def from_parameters(cls, values: Mapping[str, ParameterValue]) -> TranscriptionOptions:
        """Read request parameters; raises InvalidInput, also for a name that there is not."""
        return cls.read(RequestParameters(values))

    @classmethod
    def read(cls, sent: RequestParameters, advice: Advice = NO_ADVICE) -> TranscriptionOptions:
        """The same of parameters that note what is asked of them; `advice`: for what is not sent."""
        known = cls()
        options = cls(
            language=sent.text("language", means="code, such as `en`; empty: detected").strip(),
            prompt=sent.text("prompt", means="text that might come before: names, spelling"),
            word_timestamps=sent.switch(
                "word_timestamps", known.word_timestamps, means="times and probabilities of words"
            ),
            vad=sent.switch(
                "vad",
                known.vad,
                means="cut at pauses, windows side by side; false: Whisper's own sequential algorithm",
            ),
            speech=_speech(sent),
            packing=PackingOptions.read(sent, advice.window_s),
            condition_on_previous_text=sent.switch(
                "condition_on_previous_text",
                known.condition_on_previous_text,
                means="with `vad` false: what a window said is the next one's prompt",
            ),
            compression_ratio_threshold=sent.number_or_none(
                "compression_ratio_threshold",
                known.compression_ratio_threshold,
                means="a text that repeats itself more fails; the next temperature is tried",
            ),
            log_probability_threshold=sent.number_or_none(
                "log_probability_threshold",
                advice.log_probability_threshold,
                means="a text less certain, on average over its tokens, fails; a checkpoint may bring another"
                " default",
            ),
            no_speech_threshold=sent.number_or_none(
                "no_speech_threshold",
                known.no_speech_threshold,
                means="a window more likely without speech, and that failed by its certainty, is left out",
            ),
            language_detection_threshold=sent.number(
                "language_detection_threshold",
                known.language_detection_threshold,
                least=0,
                most=1,
                means="the language is asked of window after window until one is this sure",
            ),
            hallucination_guard=sent.switch(
                "hallucination_guard", known.hallucination_guard, means="false: nothing is taken out"
            ),
            # A threshold that was not sent is the checkpoint's own, which whisper_decoder knows.
            decoding=sent.sent(THRESHOLDS) | sent.rest(DECODING),
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


def _speech(sent: RequestParameters) -> SegmentationOptions:
    """Where somebody speaks, by the parameters that begin with `vad_`."""
    return replace(
        SPEECH,
        threshold=sent.number(
            "vad_threshold",
            SPEECH.threshold,
            least=0.02,
            most=1,
            means="speech probability that counts as speech",
        ),
        min_speech_duration_ms=sent.number(
            "vad_min_speech_duration_ms",
            SPEECH.min_speech_duration_ms,
            least=0,
            most=5_000,
            means="shorter sounds are left out",
        ),
        min_silence_duration_ms=sent.number(
            "vad_min_silence_duration_ms",
            SPEECH.min_silence_duration_ms,
            least=0,
            most=5_000,
            means="a shorter silence is no pause",
        ),
    )
