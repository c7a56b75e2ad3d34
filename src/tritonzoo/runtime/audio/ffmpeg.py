"""Read sound with FFmpeg's libraries (PyAV): M4A, WebM, Opus, the sound of videos, rare kinds of WAV.

The bytes may be anybody's. FFmpeg is told the format and never guesses one; it gets the bytes and may open
nothing else, no file and no address; and of its decoders only those of sound in `CODECS` are let run.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.audio.kind import WANTED, Kind
from tritonzoo.runtime.audio.section import READ_VALUES, Section, checked_rate, mono
from tritonzoo.runtime.errors import InvalidInput

CODECS = frozenset(
    "aac aac_latm mp1float mp2float mp3float mp3 opus vorbis flac alac ac3 eac3 amrnb amrwb wmav1 wmav2 "
    "wmapro speex wavpack adpcm_ms adpcm_ima_wav adpcm_ima_qt gsm gsm_ms pcm_alaw pcm_mulaw pcm_u8 pcm_s8 "
    "pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le "
    "pcm_f64be".split()
)
_OPTIONS = {
    "protocol_whitelist": "none",  # no further file and no address, whatever the content asks for
    "codec_whitelist": ",".join(sorted(CODECS)),
    "enable_drefs": "0",  # MP4 may keep its sound in another file
    "use_absolute_path": "0",
    "probesize": "1000000",  # bytes looked at to learn what the streams are
    "analyzeduration": "5000000",  # microseconds of them
}
_FULL_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0}


@cache
def _av() -> Any:
    """PyAV, at the first file that needs it: 6 MB and 0.06 s that most processes never need."""
    import av
    import av.logging

    av.logging.set_level(av.logging.PANIC)  # what FFmpeg says of a stranger's bytes is no news for the log
    return av


def ffmpeg_sections(content: bytes, kind: Kind) -> Iterator[Section]:
    """The sound of a file, piece by piece; of several tracks the one that the file calls its default.

    Samples that an encoder put before and after the sound, and says so, are left out by FFmpeg.

    Raises:
        InvalidInput: the file is damaged, holds no sound, or sound of a kind that is not read.
    """
    av = _av()
    try:
        container = av.open(
            io.BytesIO(content), format=kind.demuxer, options=dict(_OPTIONS), metadata_errors="ignore"
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(content, kind, error) from None
    with container:
        yield from _joined(_decoded(container, _sound_of(container, kind), content, kind), kind)


def _decoded(container: Any, stream: Any, content: bytes, kind: Kind) -> Iterator[Any]:
    """The frames of sound; a packet that does not decode is forgiven where nothing follows it."""
    samples = rate_hz = 0
    damaged = False
    for frame in _frames(container, stream):
        if frame is None:
            damaged = True
            continue
        if damaged:
            where = f" after {samples / rate_hz:.1f} s" if rate_hz else ""
            raise InvalidInput(f"audio is {kind.name} that is damaged{where}; send the whole file again")
        samples, rate_hz = samples + frame.samples, frame.sample_rate
        yield frame
    if damaged and not samples:
        raise _unreadable(content, kind, None)


def _joined(frames: Iterator[Any], kind: Kind) -> Iterator[Section]:
    """Frames are 10 to 60 ms of sound; handled one by one they would cost more than their decoding."""
    held: list[NDArray[Any]] = []
    shape, values = (0, "", 0), 0
    for frame in frames:
        found = (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
        if held and (found != shape or values >= READ_VALUES):
            yield _section(held, shape, kind)
            held, values = [], 0
        shape = found
        held.append(frame.to_ndarray())
        values += held[-1].size
    if held:
        yield _section(held, shape, kind)


def _sound_of(container: Any, kind: Kind) -> Any:
    stream = container.streams.best("audio")
    if stream is None:
        what = "a video without sound" if container.streams.video else f"{kind.name} without sound"
        raise InvalidInput(f"audio is {what}; send {WANTED}")
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if codec not in CODECS:
        raise InvalidInput(
            f"audio is {kind.name} with sound of the kind '{codec}', which is not read; send {WANTED}"
        )
    stream.codec_context.thread_count = 1  # requests are what runs side by side
    return stream


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, and None in the place of each packet that does not decode."""
    errors = _av().error
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except errors.FFmpegError:
            yield None
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except errors.FFmpegError:
            yield None


def _section(frames: Sequence[NDArray[Any]], shape: tuple[int, str, int], kind: Kind) -> Section:
    """One channel of frames that are planar, (channels, samples), or packed, (1, samples * channels)."""
    rate_hz, sample_format, channels = shape
    values = np.concatenate(frames, axis=1).astype(np.float32, copy=False)
    layout = sample_format.removesuffix("p")
    if layout == "u8":
        values = values - np.float32(_FULL_SCALE[layout])
    samples = mono(values.T if sample_format.endswith("p") else values.reshape(-1, channels))
    if _FULL_SCALE[layout] != 1.0:
        samples = samples / np.float32(_FULL_SCALE[layout])
    return Section(checked_rate(rate_hz, kind.name), samples)


def _unreadable(content: bytes, kind: Kind, error: Exception | None) -> InvalidInput:
    errors = _av().error
    ends_early = error is None or isinstance(error, errors.InvalidDataError | errors.EOFError)
    state = "is damaged or ends too early" if ends_early else "is damaged"
    return InvalidInput(
        f"audio is {kind.name} of {len(content)} bytes that {state}; send the whole file again, or {WANTED}"
    )
