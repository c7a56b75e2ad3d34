"""What a file is, told by its first bytes alone: names and extensions are never asked."""

from __future__ import annotations

import re
from dataclasses import dataclass

WANTED = "a WAV, FLAC, MP3, OGG (Vorbis or Opus), M4A or WebM file, as it is or as base64 text"

_ID3_HEADER_BYTES = 10


@dataclass(frozen=True)
class Kind:
    """A file format: its name in words, and who reads it."""

    name: str
    demuxer: str  # FFmpeg's name; naming it spares FFmpeg its own guessing
    by_sndfile: bool = False  # libsndfile reads it, and FFmpeg only what libsndfile then cannot


# The formats that are read, and no others: FFmpeg also knows playlists and scripts, which open further
# files and addresses. First bytes as the formats' own specifications have them.
_KINDS: tuple[tuple[re.Pattern[bytes], Kind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"(RIFF|RIFX|RF64|BW64)....WAVE", Kind("a WAV file", "wav", by_sndfile=True)),
        (rb"riff\x2e\x91\xcf\x11", Kind("a Wave64 file", "w64", by_sndfile=True)),
        (rb"fLaC", Kind("a FLAC file", "flac", by_sndfile=True)),
        # libsndfile decodes Opus too, in three times FFmpeg's time.
        (rb"OggS.{24}OpusHead", Kind("an OGG Opus file", "ogg")),
        (rb"OggS", Kind("an OGG file", "ogg", by_sndfile=True)),
        (rb"FORM....AIF[FC]", Kind("an AIFF file", "aiff", by_sndfile=True)),
        (rb"\.snd", Kind("an AU file", "au", by_sndfile=True)),
        (rb"caff", Kind("a CAF file", "caf", by_sndfile=True)),
        (rb"....ftyp", Kind("an MP4 file", "mov")),  # M4A, MOV, 3GP
        (rb"\x1a\x45\xdf\xa3", Kind("a WebM file", "matroska")),
        (rb"#!AMR", Kind("an AMR file", "amr")),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("a WMA file", "asf")),
        (rb"RIFF....AVI ", Kind("an AVI file", "avi")),
        (rb"\xff[\xf0\xf1\xf8\xf9]", Kind("an AAC file", "aac")),  # ADTS: layer bits 0, else MPEG audio
        # A frame of MPEG audio: neither version, layer, bit rate nor sampling rate is a reserved value.
        (rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][^\xf0-\xff]", Kind("an MP3 file", "mp3", by_sndfile=True)),
    )
)  # fmt: skip
_TAGGED_MP3 = Kind("an MP3 file", "mp3", by_sndfile=True)


def kind_of(content: bytes) -> Kind | None:
    """The format of a file's bytes; None for any that is not read here."""
    start = _tag_end(content)
    for pattern, kind in _KINDS:
        if pattern.match(content, start):
            return kind
    return _TAGGED_MP3 if start else None


def described(content: bytes) -> str:
    """What content of no known kind probably is, in words, for an error's sentence."""
    head = content[:512].lstrip()
    for magic, name in (
        (b"%PDF", "a PDF file"),
        (b"PK\x03\x04", "a ZIP archive or office document"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"GIF8", "a picture"),
        (b"#EXTM3U", "a playlist"),
        (b"ffconcat", "a playlist"),
        (b"MThd", "a MIDI file"),
        (b"<", "a page of HTML or XML"),
    ):
        if head.startswith(magic):
            return name
    if head and all(byte in b"\t\r\n" or byte >= 32 for byte in head) and b"\x7f" not in head:
        return f"text ({len(content)} bytes)"
    return f"{len(content)} bytes of something else"


def _tag_end(content: bytes) -> int:
    """Where an ID3v2 tag at the beginning ends; 0 without one (id3.org, ID3v2.4 section 3.1)."""
    if content[:3] != b"ID3" or len(content) < _ID3_HEADER_BYTES:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return _ID3_HEADER_BYTES + size
