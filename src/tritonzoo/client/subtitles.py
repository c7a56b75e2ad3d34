"""A transcript as a file: SubRip, WebVTT, tab-separated values, plain text, JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tritonzoo.client.transcription import Segment, Transcription


def srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered, times with a comma, a blank line after each."""
    return "".join(
        f"{number}\n{_clock(segment.start_s, ',')} --> {_clock(segment.end_s, ',')}\n{_line(segment)}\n\n"
        for number, segment in enumerate(segments, start=1)
    )


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT (W3C): a header, times with a full stop, text with &, < and > escaped."""
    cues = (
        f"{_clock(segment.start_s, '.')} --> {_clock(segment.end_s, '.')}\n"
        f"{html.escape(_line(segment), quote=False)}\n\n"
        for segment in segments
    )
    return "WEBVTT\n\n" + "".join(cues)


def tsv(segments: Iterable[Segment]) -> str:
    """Start and end in whole milliseconds and text, as openai/whisper writes them."""
    lines = (f"{_ms(segment.start_s)}\t{_ms(segment.end_s)}\t{_line(segment)}\n" for segment in segments)
    return "start\tend\ttext\n" + "".join(lines)


def txt(segments: Iterable[Segment]) -> str:
    """One line for each segment."""
    return "".join(f"{_line(segment)}\n" for segment in segments)


def json_text(transcription: Transcription) -> str:
    """Every field, times rounded to milliseconds and the rest to 4 digits."""
    return json.dumps(_rounded(asdict(transcription)), ensure_ascii=False, indent=1) + "\n"


def _line(segment: Segment) -> str:
    """The text on one line; an arrow, which would be read as times, is broken up."""
    return " ".join(segment.text.split()).replace("-->", "->")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(seconds: float, point: str) -> str:
    """01:02:03,456"""
    total_s, ms = divmod(_ms(seconds), 1000)
    return f"{total_s // 3600:02}:{total_s // 60 % 60:02}:{total_s % 60:02}{point}{ms:03}"


def _rounded(value: Any, name: str = "") -> Any:
    if isinstance(value, float):
        return round(value, 3 if name.endswith("_s") else 4)
    if isinstance(value, dict):
        return {key: _rounded(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each, name) for each in value]
    return value
