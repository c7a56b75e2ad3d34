"""Read sound with libsndfile: WAV of any kind, FLAC, MP3, Ogg Vorbis, AIFF."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from tritonzoo.runtime.audio.kind import Kind
from tritonzoo.runtime.audio.section import READ_VALUES, Section, checked_rate, mono
from tritonzoo.runtime.errors import InvalidInput


class NotRead(Exception):
    """libsndfile does not open this file; another reader may."""


def sndfile_sections(content: bytes, kind: Kind) -> Iterator[Section]:
    """The sound of a file, piece by piece; one that ends too early is read as far as it goes.

    Lengths that a header claims are not believed: what is read is what is there.

    Raises:
        NotRead: before anything is read.
        InvalidInput: the file is damaged, or its rate is none of sound.
    """
    import soundfile  # by who needs it: a process that has had no file has no need of 3 MB

    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.LibsndfileError, TypeError, ValueError, OverflowError) as error:
        raise NotRead(str(error)) from None
    with file:
        rate_hz = checked_rate(file.samplerate, kind.name)
        frames = np.empty((max(READ_VALUES // file.channels, 1), file.channels), np.float32)
        read = 0
        while True:
            try:
                piece = file.read(out=frames)
            except soundfile.LibsndfileError:
                raise InvalidInput(
                    f"audio is {kind.name} of {len(content)} bytes that is damaged or ends too early,"
                    f" somewhere after {read / rate_hz:.1f} s; send the whole file again"
                ) from None
            if not len(piece):
                return
            read += len(piece)
            yield Section(rate_hz, mono(piece))
