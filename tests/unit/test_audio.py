"""Sound from anybody's bytes: the right samples or one sentence, in bounded memory, opening nothing else."""

from __future__ import annotations

import base64
import io
import socket
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile

from tritonzoo.runtime.audio import SAMPLE_RATE_HZ, audio_blocks, request_blocks, waveform, waveform_blocks
from tritonzoo.runtime.audio.kind import kind_of
from tritonzoo.runtime.audio.resampled import Resampler
from tritonzoo.runtime.errors import InvalidInput


def wav(
    data: bytes, *, rate_hz: int = 16_000, channels: int = 1, bits: int = 16, kind: int = 1, claimed: int = -1
):
    """A WAV file with a header that may lie. kind: 1 integers, 3 floats."""
    size = len(data) if claimed < 0 else claimed
    frame = channels * bits // 8
    head = struct.pack("<IHHIIHH", 16, kind, channels, rate_hz, rate_hz * frame & 0xFFFFFFFF, frame, bits)
    return (
        b"RIFF"
        + struct.pack("<I", size + 36 & 0xFFFFFFFF)
        + b"WAVEfmt "
        + head
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def floats(*values: float) -> bytes:
    return wav(np.array(values, np.float32).tobytes(), bits=32, kind=3)


def movie(*, sound: bool) -> bytes:
    """Half a second of video, with or without a tone."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        tones = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for _ in range(5):
            container.mux(pictures.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(pictures.encode(None))
        if tones is not None:
            tone = np.sin(np.arange(8_192) * 0.3).astype(np.float32)
            for start in range(0, tone.size, 1_024):
                frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1_024], "fltp", "mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(tones.encode(frame))
            container.mux(tones.encode(None))
    return file.getvalue()


def file_of(samples: np.ndarray, kind: str, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind)
    return file.getvalue()


TONE = (0.5 * np.sin(np.arange(SAMPLE_RATE_HZ) * 0.1)).astype(np.float32)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "audio is empty; send the bytes of a file"),
        (b"Dear sir, where is it?", r"audio is text \(22 bytes\), which cannot be read as sound; send a WAV, FLAC"),
        (b"%PDF-1.7 \xff", "audio is a PDF file"),
        (b"\x89PNG\r\n\x1a\n", "audio is a picture"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.ts\n", "audio is a playlist, which cannot be read"),
        (b"\x00\x01\x02", "audio is 3 bytes of something else"),
        (wav(b""), "audio is a WAV file that holds not one sample"),
        (wav(bytes(100), rate_hz=0), "audio is a WAV file of 144 bytes that is damaged"),
        (wav(bytes(100), rate_hz=3), "says it has 3 samples a second; 1000 to 768000 are read"),
        (wav(bytes(100), channels=0), "audio is a WAV file"),
        (wav(bytes(100), kind=0x7777), "audio is a WAV file with sound of the kind 'unknown'"),
        (floats(0.0, 0.0, float("nan")), "audio holds nan at 0.000 s; send finite numbers"),
        (floats(0.0, float("inf")), "audio holds inf"),
        (floats(0.0, -32768.0), "audio reaches -32768 at 0.000 s, where 1 is full scale; divide 16-bit integers"),
        (b"fLaC" + bytes(range(256)), "audio is a FLAC file of 260 bytes that is damaged or ends too early"),
        (b"\x1a\x45\xdf\xa3" + bytes(range(256)), "audio is a WebM file of 260 bytes that is damaged"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(range(256)), "audio is an MP4 file"),
        (file_of(TONE, "FLAC")[:-3_000], "audio is a FLAC file of .* damaged or ends too early, somewhere after"),
        (movie(sound=False), "audio is a video without sound; send a WAV"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value[:60],
)  # fmt: skip
def test_what_is_no_sound_is_refused_with_the_remedy(content: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        waveform(content)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_file_that_was_cut_off_anywhere_is_read_in_part_or_refused(kind: str) -> None:
    content = file_of(TONE, kind)
    whole = waveform(content)
    for end in range(1, len(content), max(len(content) // 40, 1)):
        try:
            part = waveform(content[:end])
        except InvalidInput:
            continue
        assert part.size <= whole.size + 2_048, f"at {end} of {len(content)} bytes"


def test_garbage_in_the_middle_is_sound_or_a_sentence() -> None:
    rng = np.random.default_rng(0)
    for content in (movie(sound=True), *(file_of(TONE, kind) for kind in ("WAV", "FLAC", "OGG", "MP3"))):
        for _ in range(20):
            damaged = bytearray(content)
            start = int(rng.integers(12, len(content) - 40))
            damaged[start : start + 40] = rng.bytes(40)
            try:
                found = waveform(bytes(damaged))
            except InvalidInput as error:
                assert str(error).startswith("audio ")
            else:
                assert np.isfinite(found).all()


def test_a_header_of_two_gigabytes_on_a_kilobyte_gives_the_kilobyte() -> None:
    assert waveform(wav(bytes(1_000), claimed=2**31 - 1)).size == 500
    assert waveform(wav(bytes(1_000), claimed=2**32 - 1)).size == 500


def test_one_sample_is_one_sample() -> None:
    assert waveform(wav(struct.pack("<h", 16_384))).tolist() == [0.5]


def test_sixty_four_channels_are_averaged() -> None:
    channels = np.zeros((100, 64), np.int16)
    channels[:, 7] = 32_767
    found = waveform(wav(channels.tobytes(), channels=64))
    assert found.size == 100
    np.testing.assert_allclose(found, 32_767 / 32_768 / 64, rtol=1e-6)


def test_the_sound_of_a_video_is_taken() -> None:
    found = waveform(movie(sound=True))
    assert found.size >= 8_192
    assert np.abs(found).max() > 0.5


def test_base64_is_the_same_file() -> None:
    content = file_of(TONE, "OGG")
    assert np.array_equal(waveform(base64.b64encode(content)), waveform(content))


def test_a_tag_before_the_sound_is_passed_over() -> None:
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 1, 0]) + b"TIT2" + bytes(124)  # 128 bytes, synchsafe
    content = file_of(TONE, "MP3")
    assert kind_of(tag + content) == kind_of(content)
    assert np.array_equal(waveform(tag + content), waveform(content))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_blocks_put_together_are_the_whole_and_have_its_exact_length(rate_hz: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * rate_hz + 7, 2)).astype(np.float32)
    content = file_of(samples, "WAV", rate_hz)

    blocks = list(audio_blocks(content, block_s=0.5))

    assert [block.size for block in blocks[:-1]] == [8_000] * (len(blocks) - 1)
    assert 0 < blocks[-1].size <= 8_000
    assert sum(block.size for block in blocks) == int(samples.shape[0] * SAMPLE_RATE_HZ / rate_hz + 0.5)
    assert np.array_equal(np.concatenate(blocks), waveform(content))


def test_sound_resampled_in_pieces_is_sound_resampled_at_once() -> None:
    import soxr

    rng = np.random.default_rng(1)
    samples = rng.normal(size=50_001).astype(np.float32)
    resampler, found, place = Resampler(44_100, 16_000), [], 0
    while place < samples.size:
        size = int(rng.integers(0, 3_000))
        found.append(resampler.push(samples[place : place + size]))
        place += size
    found.append(resampler.finish())
    np.testing.assert_allclose(np.concatenate(found), soxr.resample(samples, 44_100, 16_000), atol=1e-5)


def test_a_recording_beyond_the_limit_is_refused_before_it_is_held() -> None:
    with pytest.raises(InvalidInput, match=r"longer than 0.5 s.*cut it into shorter files"):
        waveform(file_of(np.tile(TONE, 40), "FLAC"), longest_s=0.5)


def test_an_hour_takes_no_more_memory_than_a_minute() -> None:
    """In a process of its own, by the kernel's account of the most that it ever held."""
    script = (
        "import resource, sys, soundfile, io, numpy as np\n"
        "from tritonzoo.runtime.audio import audio_blocks\n"
        "file = io.BytesIO()\n"
        "with soundfile.SoundFile(file, 'w', 16000, 1, format='FLAC') as flac:\n"
        "    for _ in range(int(sys.argv[1])):\n"
        "        flac.write(np.zeros(960000, np.int16))\n"
        "content = file.getvalue()\n"
        "assert sum(block.size for block in audio_blocks(content)) == 960000 * int(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    minute, hour = (
        int(subprocess.run([sys.executable, "-c", script, minutes], capture_output=True, check=True).stdout)
        for minutes in ("1", "60")
    )
    assert hour - minute < 20_000  # kB; the hour's samples alone would be 230 000


def test_samples_are_taken_as_they_are_in_blocks() -> None:
    blocks = list(waveform_blocks(TONE, block_s=0.3))
    assert [block.size for block in blocks] == [4_800, 4_800, 4_800, 1_600]
    assert np.array_equal(np.concatenate(blocks), TONE)


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.empty(0, np.float32), "waveform is empty"),
        (
            np.where(np.arange(16_000) == 8_000, np.nan, TONE).astype(np.float32),
            "waveform holds nan at 0.500 s",
        ),
        (TONE * 32_768, "divide 16-bit integers by 32768"),
    ],
    ids=["none", "not a number", "integers"],
)
def test_samples_that_are_no_sound_are_refused(samples: np.ndarray, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        list(waveform_blocks(samples))


def test_a_request_brings_a_file_or_samples_and_not_both() -> None:
    audio = np.array([file_of(TONE, "WAV")], object)
    with pytest.raises(InvalidInput, match="neither audio nor waveform; send audio"):
        request_blocks(None, None)
    with pytest.raises(InvalidInput, match="both audio and waveform"):
        request_blocks(audio, TONE)
    assert np.abs(np.concatenate(list(request_blocks(audio, None))) - TONE).max() < 1e-4


@pytest.mark.parametrize(
    "head",
    [b"", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"RIFF\x00\x01\x00\x00WAVE", b"OggS", b"\x00\x00\x00\x18ftypM4A ", b"\x1a\x45\xdf\xa3",
     b"#!AMR\n", b"\xff\xf1", b"\xff\xfb\x90\x00", b"RIFF\x00\x00\x00\x00AVI ", b"fLaC", b"caff", b".snd"],
    ids=repr,
)  # fmt: skip
def test_a_playlist_opens_nothing_whatever_it_is_disguised_as(head: bytes, tmp_path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(file_of(TONE, "WAV"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        for playlist in (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
            f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n",
            f"ffconcat version 1.0\nfile '{secret}'\nfile '{url}'\n",
            f"<?xml version='1.0'?><MPD><BaseURL>{url}</BaseURL></MPD>",
            f"v=0\nc=IN IP4 127.0.0.1\nm=audio {listener.getsockname()[1]} RTP/AVP 0\n",
        ):
            with pytest.raises(InvalidInput):
                waveform(head + playlist.encode())
        with pytest.raises(TimeoutError):
            listener.accept()


def rebuilt(content: bytes, path: list[tuple[bytes, int]], body: bytes) -> bytes:
    """An MP4 in which the box at `path` (kinds, each with which of several) has another body."""
    if not path:
        return body
    (kind, nth), *inner = path
    parts, start, seen = [], 0, 0
    while start < len(content):
        size = struct.unpack(">I", content[start : start + 4])[0]
        own = content[start + 4 : start + 8] == kind
        inside = content[start + 8 : start + size]
        if own and seen == nth:
            inside = rebuilt(inside, inner, body)
        seen += own
        parts.append(struct.pack(">I", len(inside) + 8) + content[start + 4 : start + 8] + inside)
        start += size
    return b"".join(parts)


def pointing_at(path: str, content: bytes) -> bytes:
    """A movie whose sound lies in another file, by an alias record with its absolute path; own data emptied."""
    name = path.replace("/", ":").encode()
    name += b"\0" * (len(name) % 2)
    record = bytes(130) + struct.pack(">hh", -1, -1) + bytes(16)
    record += struct.pack(">hH", 2, len(name)) + name + struct.pack(">hH", -1, 0)
    body = bytes(4) + struct.pack(">I", 1) + struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    boxes = [(b"moov", 0), (b"trak", 1), (b"mdia", 0), (b"minf", 0), (b"dinf", 0), (b"dref", 0)]
    content = rebuilt(content, boxes, body)
    start = content.index(b"mdat")
    size = struct.unpack(">I", content[start - 4 : start])[0] - 8
    return content[: start + 4] + bytes(size) + content[start + 4 + size :]


def test_a_movie_whose_sound_lies_in_another_file_gets_none_of_it(tmp_path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(movie(sound=True))
    content = pointing_at(str(secret), secret.read_bytes())
    careless = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(io.BytesIO(content), format="mov", options=careless) as container:
        leaked = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert np.abs(leaked).max() > 0.5, "the trick works where nothing is done against it"

    with pytest.raises(InvalidInput, match="holds not one sample"):
        waveform(content)


def test_what_reads_sound_is_imported_at_the_first_sound_that_needs_it() -> None:
    """A process of its own, fed samples, then 16 kHz WAV, then 8 kHz WAV, then WebM."""
    script = (
        "import sys\n"
        "from tritonzoo.runtime.audio import request_blocks, waveform\n"
        "import numpy as np\n"
        "def here(): return [name for name in ('soundfile', 'soxr', 'av') if name in sys.modules]\n"
        "list(request_blocks(None, np.zeros(800, np.float32)))\n"
        "found = [here()]\n"
        "for size in map(int, sys.argv[1:]):\n"
        "    waveform(sys.stdin.buffer.read(size))\n"
        "    found.append(here())\n"
        "print(found)\n"
    )
    quiet = bytes(1_600)
    webm = io.BytesIO()
    with av.open(webm, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    files = [wav(quiet), wav(quiet, rate_hz=8_000), webm.getvalue()]

    done = subprocess.run(
        [sys.executable, "-c", script, *(str(len(file)) for file in files)],
        input=b"".join(files),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == str(
        [[], ["soundfile"], ["soundfile", "soxr"], ["soundfile", "soxr", "av"]]
    )
