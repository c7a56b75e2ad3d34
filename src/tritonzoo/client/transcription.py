"""What `transcribe` gives back: text, segments and words with their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from tritonzoo.client import subtitles
from tritonzoo.client.transport import Array, ParameterValue

PIPELINE = "ensemble_transcription"
STREAM = "transcription_stream"


@dataclass(frozen=True)
class Word:
    """One word and when it is said, in seconds of the recording; `probability` is how sure Whisper is."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """A phrase or sentence as Whisper parts them.

    The last five are of the window of up to 30 s that it was found in: how likely nobody speaks there, the
    mean log probability of its tokens, how much its text repeats itself (over 2.4 is suspicious), the
    temperature that it was sampled at, and "stop", or "length" where the model could write no more.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    words: tuple[Word, ...]
    no_speech_probability: float
    mean_log_probability: float
    compression_ratio: float
    temperature: float
    stop_reason: str


@dataclass(frozen=True)
class Dropped:
    """What Whisper wrote and a guard took out; `reason`: no_speech, silence, empty or repetition."""

    text: str
    start_s: float
    reason: str


@dataclass(frozen=True)
class StreamedSegment(Segment):
    """A segment as it comes, and how far the work is: seconds transcribed, of those read so far."""

    language: str
    language_probability: float
    transcribed_s: float
    read_s: float

    def alone(self) -> Segment:
        """The segment without how far the work was."""
        return Segment(**{field.name: getattr(self, field.name) for field in fields(Segment)})


@dataclass(frozen=True)
class Transcription:
    """A whole transcript; `language` is empty where nothing was said."""

    text: str
    language: str
    language_probability: float
    duration_s: float
    segments: tuple[Segment, ...]
    stop_reason: str = "stop"  # "length" where any window said more than the model can write
    dropped: tuple[Dropped, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments; empty unless asked for."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_srt(self) -> str:
        """SubRip subtitles, one for each segment."""
        return subtitles.srt(self.segments)

    def to_vtt(self) -> str:
        """WebVTT subtitles, one for each segment."""
        return subtitles.vtt(self.segments)

    def to_tsv(self) -> str:
        """Tab-separated lines of start and end in milliseconds, and text, under a header."""
        return subtitles.tsv(self.segments)

    def to_txt(self) -> str:
        """One line of text for each segment."""
        return subtitles.txt(self.segments)

    def to_json(self) -> str:
        """All of it."""
        return subtitles.json_text(self)

    @classmethod
    def from_answer(cls, answer: Mapping[str, Array]) -> Transcription:
        """Read the outputs of ensemble_transcription."""
        return cls(
            text=_text(answer["text"]),
            language=_text(answer["language"]),
            language_probability=float(answer["language_probability"].item()),
            duration_s=float(answer["duration_s"].item()),
            segments=tuple(Segment(**segment) for segment in _segments(answer)),
            stop_reason=_text(answer["stop_reason"]),
            dropped=tuple(
                Dropped(text.decode(), start_s, reason.decode())
                for text, start_s, reason in zip(
                    answer["dropped_text"].tolist(),
                    answer["dropped_start_s"].tolist(),
                    answer["dropped_reason"].tolist(),
                    strict=True,
                )
            ),
        )

    @classmethod
    def from_segments(
        cls, segments: Iterable[StreamedSegment], duration_s: float | None = None
    ) -> Transcription:
        """What a stream gave, as a whole.

        A stream ends with its last segment and tells nothing of the silence after it. So give `duration_s`
        where it is known; else the length is what had been read by then, and 0 where nobody speaks.
        """
        found = tuple(segments)
        last = found[-1] if found else None
        return cls(
            text="".join(segment.text for segment in found).strip(),
            language=last.language if last else "",
            language_probability=last.language_probability if last else 0.0,
            duration_s=duration_s if duration_s is not None else last.read_s if last else 0.0,
            segments=tuple(
                Segment(**{f.name: getattr(segment, f.name) for f in fields(Segment)}) for segment in found
            ),
            stop_reason="length" if any(each.stop_reason == "length" for each in found) else "stop",
        )


def streamed_segment(answer: Mapping[str, Array]) -> StreamedSegment:
    """Read one answer of transcription_stream."""
    (segment,) = _segments(answer)
    return StreamedSegment(
        **segment,
        language=_text(answer["language"]),
        language_probability=float(answer["language_probability"].item()),
        transcribed_s=float(answer["transcribed_s"].item()),
        read_s=float(answer["read_s"].item()),
    )


def transcription_options(
    language: str | None,
    task: str,
    word_timestamps: bool,
    prompt: str | None,
    vad: bool,
    others: Mapping[str, ParameterValue],
) -> dict[str, ParameterValue]:
    """The arguments of `transcribe` by the names of the request parameters."""
    named = {
        "language": language,
        "task": task,
        "word_timestamps": word_timestamps,
        "prompt": prompt,
        "vad": vad,
    }
    return {**{name: value for name, value in named.items() if value is not None}, **others}


def request_parameters(options: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Options as request parameters: those that are None are left out, fractions and lists become text."""
    return {name: _parameter(value) for name, value in options.items() if value is not None}


def _parameter(value: object) -> ParameterValue:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, Iterable):
        return ",".join(map(str, value))
    return str(value)  # Triton's requests carry no fractions


def _segments(answer: Mapping[str, Array]) -> list[dict[str, Any]]:
    words: dict[int, list[Word]] = {}
    for index, *word in zip(answer["word_segment"].tolist(), *_columns(answer, "word", _WORD), strict=True):
        words.setdefault(index, []).append(Word(*word))
    names = (*_WORD, *_WINDOW)
    return [
        {**dict(zip(names, values, strict=True)), "words": tuple(words.get(index, ()))}
        for index, values in enumerate(zip(*_columns(answer, "segment", names), strict=True))
    ]


_WORD = ("text", "start_s", "end_s", "probability")
_WINDOW = (
    "no_speech_probability",
    "mean_log_probability",
    "compression_ratio",
    "temperature",
    "stop_reason",
)


def _columns(answer: Mapping[str, Array], kind: str, names: Iterable[str]) -> list[list[Any]]:
    columns = (answer[f"{kind}_{name}"] for name in names)
    return [
        [value.decode() for value in column] if column.dtype == object else column.tolist()
        for column in columns
    ]


def _text(array: Array) -> str:
    return str(array.item().decode())
