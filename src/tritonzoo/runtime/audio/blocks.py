"""A file's bytes, or samples, as blocks of 16 kHz mono: an hour takes no more memory than a minute."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonzoo.runtime.audio.ffmpeg import ffmpeg_sections
from tritonzoo.runtime.audio.kind import WANTED, Kind, described, kind_of
from tritonzoo.runtime.audio.resampled import resampled
from tritonzoo.runtime.audio.section import SAMPLE_RATE_HZ, Samples, Section, require_sound
from tritonzoo.runtime.audio.sndfile import NotRead, sndfile_sections
from tritonzoo.runtime.errors import InvalidInput
from tritonzoo.runtime.payload import file_bytes

# Decoding gives up the interpreter's lock at each packet of 20 ms: sixteen threads that take it from one
# another decode half as fast as one.
_decoder = threading.Lock()


def audio_blocks(data: bytes, *, block_s: float = 30.0) -> Iterator[Samples]:
    """The sound in a file's bytes, or in base64 text of them: 16 kHz, mono, 1 is full scale.

    Every block but the last has `block_s` seconds; none is empty. Channels are averaged. A file that ends
    too early is read as far as it goes; one that is damaged is refused when the damage is reached, after
    the blocks before it.

    Raises:
        InvalidInput: it is no sound, holds none, is damaged, or has samples that are no numbers.
    """
    content = data if kind_of(data) else file_bytes(data, "audio")
    kind = kind_of(content)
    if kind is None:
        raise InvalidInput(f"audio is {described(content)}, which cannot be read as sound; send {WANTED}")
    sound = resampled(_checked(_sections(content, kind)), SAMPLE_RATE_HZ)
    blocks = _one_at_a_time(_in_blocks(sound, round(block_s * SAMPLE_RATE_HZ)))
    first = next(blocks, None)
    if first is None:
        raise InvalidInput(f"audio is {kind.name} that holds not one sample; send {WANTED}")
    yield first
    yield from blocks


def waveform_blocks(samples: NDArray[np.float32], *, block_s: float = 30.0) -> Iterator[Samples]:
    """Samples that are 16 kHz mono already, in blocks as `audio_blocks` gives them.

    Raises:
        InvalidInput: there are none, or some are NaN, infinite or far beyond full scale.
    """
    if samples.size == 0:
        raise InvalidInput("waveform is empty; send at least one sample, 16 kHz mono")
    size = round(block_s * SAMPLE_RATE_HZ)
    for start in range(0, samples.size, size):
        block = samples[start : start + size]
        require_sound("waveform", block, start / SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
        yield block


def request_blocks(
    audio: NDArray[Any] | None, waveform: NDArray[np.float32] | None, *, block_s: float = 30.0
) -> Iterator[Samples]:
    """The sound of a request that brings either a file (BYTES [1]) or samples (FP32 [-1]).

    Raises:
        InvalidInput: it brings both or neither, or what `audio_blocks` and `waveform_blocks` refuse.
    """
    if audio is not None and waveform is None:
        return audio_blocks(audio[0], block_s=block_s)
    if waveform is not None and audio is None:
        return waveform_blocks(waveform, block_s=block_s)
    sent = "neither audio nor waveform" if audio is None else "both audio and waveform"
    raise InvalidInput(f"the request has {sent}; send audio (a file) or waveform (samples, 16 kHz mono)")


def waveform(data: bytes, *, longest_s: float = 3_600.0) -> Samples:
    """The whole sound of a file in one array (samples,); see `audio_blocks`.

    Raises:
        InvalidInput: also when there is more than `longest_s` of it.
    """
    blocks, seconds = [], 0.0
    for block in audio_blocks(data):
        blocks.append(block)
        seconds += block.size / SAMPLE_RATE_HZ
        if seconds > longest_s:
            raise InvalidInput(
                f"audio is longer than {longest_s:g} s, the most that is held in memory at once here; cut it"
                " into shorter files"
            )
    return np.concatenate(blocks)


def _sections(content: bytes, kind: Kind) -> Iterator[Section]:
    if not kind.by_sndfile:
        return ffmpeg_sections(content, kind)
    sections = sndfile_sections(content, kind)
    try:
        first = next(sections, None)
    except NotRead:
        return ffmpeg_sections(content, kind)
    return iter(()) if first is None else itertools.chain([first], sections)


def _checked(sections: Iterable[Section]) -> Iterator[Section]:
    seconds = 0.0
    for section in sections:
        require_sound("audio", section.samples, seconds, section.rate_hz)
        seconds += section.samples.size / section.rate_hz
        yield section


def _one_at_a_time(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Blocks that are each made while no other thread makes one."""
    while True:
        with _decoder:
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _in_blocks(pieces: Iterable[Samples], size: int) -> Iterator[Samples]:
    """Pieces of any length as blocks of `size` samples, the last one perhaps shorter, none empty."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.size
        while count >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            held, count = [joined[size:]], count - size
    if count:
        yield np.concatenate(held)
