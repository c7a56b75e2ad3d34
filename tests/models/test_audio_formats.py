"""Every format, rate and channel layout against FFmpeg: the same samples, the same length."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass

import av
import numpy as np
import pytest
import soundfile
import soxr

from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, waveform

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
CHANNELS = (1, 2, 6)
FFMPEG = shutil.which("ffmpeg")


@dataclass(frozen=True)
class Format:
    """A kind of file: how it is made, and what its reading may differ by."""

    name: str
    container: str  # libsndfile's name for what libsndfile writes, else FFmpeg's
    codec: str
    within: float  # of FFmpeg's reading, 1 is full scale
    padding: int = 0  # samples at its own rate that an encoder adds and the file does not tell
    told: bool = False  # the file tells its length, and FFmpeg does not always heed it
    rates: tuple[int, ...] = RATES_HZ
    channels: tuple[int, ...] = CHANNELS


# What is stored as integers or floats is read to the same bits, and FFmpeg's own decoders are the same code:
# what differs is the rounding of the resampler. Other decoders of MP3 and Vorbis round in other places.
EXACT, LOSSY = 1e-6, 4e-6
OPUS_HZ = (8_000, 16_000, 24_000, 48_000)
ONE_HZ = (44_100,)
FORMATS = [
    Format("wav", "WAV", "PCM_16", EXACT),
    *(Format(f"wav {name}", "WAV", name, EXACT, rates=ONE_HZ) for name in ("PCM_U8", "PCM_24", "PCM_32")),
    *(Format(f"wav {name}", "WAV", name, EXACT, rates=ONE_HZ) for name in ("FLOAT", "DOUBLE", "ALAW", "ULAW")),
    Format("wav adpcm", "wav", "adpcm_ms", EXACT, padding=2_048, rates=ONE_HZ, channels=(1, 2)),
    Format("flac", "FLAC", "PCM_16", EXACT),
    Format("flac 24", "FLAC", "PCM_24", EXACT, rates=ONE_HZ),
    Format("aiff", "AIFF", "PCM_16", EXACT, rates=ONE_HZ),
    Format("mp3", "mp3", "libmp3lame", LOSSY, rates=(8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000), channels=(1, 2)),
    # At 24 kHz mpg123 and FFmpeg differ in some frames; both are as far from what was encoded.
    Format("mp3 at 24 kHz", "mp3", "libmp3lame", 0.02, rates=(24_000,), channels=(1, 2)),
    Format("ogg vorbis", "OGG", "VORBIS", LOSSY, told=True),
    Format("ogg opus", "ogg", "libopus", EXACT, rates=OPUS_HZ),
    Format("webm opus", "webm", "libopus", EXACT, rates=OPUS_HZ),
    Format("m4a aac", "mp4", "aac", EXACT, padding=3 * 1_024),
    Format("m4a alac", "ipod", "alac", EXACT, rates=ONE_HZ, channels=(1, 2)),
    Format("aac adts", "adts", "aac", EXACT, padding=3 * 1_024, rates=ONE_HZ),
    Format("mkv flac", "matroska", "flac", EXACT, rates=ONE_HZ),
]  # fmt: skip
CASES = [
    pytest.param(kind, rate, channels, id=f"{kind.name} {rate} Hz {channels} ch")
    for kind in FORMATS
    for rate in kind.rates
    for channels in kind.channels
    if channels == 2 or rate == kind.rates[-1]
]


def sound(rate_hz: int, channels: int) -> np.ndarray:
    """0.7 s and an odd number of samples: a rising tone and noise, another in each channel. (samples, channels)"""
    rng = np.random.default_rng(rate_hz + channels)
    seconds = np.arange(int(0.7 * rate_hz) + 17) / rate_hz
    tones = [np.sin(2 * np.pi * (200 + 150 * index + 900 * seconds) * seconds) for index in range(channels)]
    return (0.4 * np.stack(tones, 1) + 0.02 * rng.normal(size=(seconds.size, channels))).astype(np.float32)


def encoded(kind: Format, samples: np.ndarray, rate_hz: int) -> bytes:
    """A file of that kind."""
    file = io.BytesIO()
    if kind.container.isupper():
        soundfile.write(file, samples, rate_hz, format=kind.container, subtype=kind.codec)
        return file.getvalue()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(file, "w", format=kind.container) as container:
        stream = container.add_stream(kind.codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate_hz)
        fifo = av.AudioFifo()
        for converted in (*resampler.resample(frame), *resampler.resample(None)):
            converted.pts = None
            fifo.write(converted)
        size = stream.codec_context.frame_size or fifo.samples
        while fifo.samples:
            for packet in stream.encode(fifo.read(size, partial=True)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def decoded_by_ffmpeg(content: bytes, channels: int, tmp_path) -> np.ndarray:
    """16 kHz mono, by the program where it is installed, else by its libraries: decoded, averaged, resampled."""
    if FFMPEG is None:
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.audio[0]
            to_float = av.AudioResampler("fltp", stream.layout, stream.rate)
            frames = [piece for frame in container.decode(stream) for piece in to_float.resample(frame)]
            mean = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).mean(axis=0)
        return soxr.resample(mean, stream.rate, SAMPLE_RATE_HZ, quality="HQ")
    path = tmp_path / "sound"
    path.write_bytes(content)
    mean = "+".join(f"{1 / channels}*c{index}" for index in range(channels))
    filters = f"aformat=sample_fmts=fltp,pan=mono|c0={mean},aresample={SAMPLE_RATE_HZ}:resampler=soxr"
    command = [FFMPEG, "-loglevel", "error", "-i", path, "-map", "0:a:0", "-af", filters, "-f", "f32le", "-"]
    run = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(run.stdout, np.float32)


@pytest.mark.parametrize(("kind", "rate_hz", "channels"), CASES)
def test_a_file_is_read_as_ffmpeg_reads_it(kind: Format, rate_hz: int, channels: int, tmp_path) -> None:
    samples = sound(rate_hz, channels)
    content = encoded(kind, samples, rate_hz)

    found = waveform(content)
    expected = decoded_by_ffmpeg(content, channels, tmp_path)

    assert found.dtype == np.float32
    same = found.size
    if found.size != expected.size:
        assert kind.told
        assert found.size < expected.size
        same -= SAMPLE_RATE_HZ // 20  # the resampler smooths over where the sound ends: 50 ms
    assert np.abs(found[:same] - expected[:same]).max() <= kind.within
    exact = int(len(samples) * SAMPLE_RATE_HZ / rate_hz + 0.5)
    assert exact <= found.size <= exact + kind.padding * SAMPLE_RATE_HZ / rate_hz
