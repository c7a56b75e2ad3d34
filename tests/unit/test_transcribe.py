"""`tritonzoo transcribe`: files and folders in, subtitles out, going on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.speech_pipelines import RECORDING, STREAM, fake
from tritonzoo.cli import app
from tritonzoo.client import Client, FakeTransport
from tritonzoo.errors import InvalidInputError, NotFoundError
from tritonzoo.transcribe import TranscribeOptions, transcribe
from tritonzoo.transcribe.recordings import recordings


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(RECORDING)
    return root


def run(sources: list[Path], transport: FakeTransport | None = None, **options) -> bool:
    return transcribe(sources, TranscribeOptions(**options), client=Client(transport=transport or fake()))


def test_subtitles_are_written_beside_the_recording(tmp_path):
    tree(tmp_path, "talk.mp3")
    assert run([tmp_path / "talk.mp3"])
    assert (tmp_path / "talk.srt").read_text() == (
        "1\n00:00:00,500 --> 00:00:01,400\nseven three\n\n2\n00:00:02,000 --> 00:00:02,500\nnine\n\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"talk.mp3", "talk.srt"}


def test_a_folder_keeps_its_shape_in_the_output(tmp_path):
    source = tree(tmp_path / "in", "a.wav", "b/c.flac", "b/notes.txt", ".hidden.wav")
    assert run([source], formats=("srt", "json"), output=tmp_path / "out", jobs=3)
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.srt", "a.json", "b/c.srt", "b/c.json"}


def test_what_is_written_is_skipped_unless_forced(tmp_path):
    tree(tmp_path, "a.wav", "b.wav")
    transport = fake()
    (tmp_path / "a.srt").write_text("corrected by hand")
    assert run([tmp_path], transport)
    assert len(transport.requests) == 1
    assert (tmp_path / "a.srt").read_text() == "corrected by hand"
    assert run([tmp_path], transport, force=True)
    assert (tmp_path / "a.srt").read_text() != "corrected by hand"


def test_a_new_format_of_a_recording_that_is_done_is_still_written(tmp_path):
    tree(tmp_path, "a.wav")
    assert run([tmp_path])
    assert run([tmp_path], formats=("srt", "vtt"))
    assert (tmp_path / "a.vtt").is_file()


def test_a_bad_recording_is_told_and_the_others_are_written(tmp_path, capsys):
    tree(tmp_path, "a.wav", "c.wav")
    (tmp_path / "b.wav").write_bytes(b"noise")
    assert not run([tmp_path], jobs=1)
    assert {path.name for path in tmp_path.glob("*.srt")} == {"a.srt", "c.srt"}
    told = capsys.readouterr().err
    assert "b.wav: audio is text, which cannot be read as sound" in told
    assert "2 of 3 recordings transcribed" in told


def test_a_recording_in_which_nobody_speaks_has_its_length(tmp_path, capsys):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "silence.flac", np.zeros(8_000 * 90), 8_000)
    silent = FakeTransport({STREAM: lambda _: {}}, streams={"transcription_stream": lambda _: iter(())})
    assert run([tmp_path], silent, formats=("json", "srt"))
    written = json.loads((tmp_path / "silence.json").read_text())
    assert (written["text"], written["segments"], written["duration_s"]) == ("", [], 90.0)
    assert (tmp_path / "silence.srt").read_text() == ""
    assert "1 of 1 recordings transcribed, 90 s of audio" in capsys.readouterr().err


def test_a_run_that_ends_in_the_middle_leaves_no_half_written_file(tmp_path, monkeypatch):
    tree(tmp_path, "a.wav")

    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert not run([tmp_path])
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav"}


def test_recordings_of_one_name_keep_their_suffix(tmp_path):
    tree(tmp_path, "a.wav", "a.mp3", "b.mp3")
    written = [output.name for each in recordings([tmp_path], ["srt"], None) for output in each.outputs]
    assert written == ["a.mp3.srt", "a.wav.srt", "b.srt"]


def test_a_recording_named_twice_is_transcribed_once(tmp_path):
    tree(tmp_path, "a.wav")
    assert len(recordings([tmp_path, tmp_path / "a.wav"], ["srt"], None)) == 1


def test_any_file_that_is_named_is_taken_for_a_recording(tmp_path):
    tree(tmp_path, "dictation.bin")
    assert run([tmp_path / "dictation.bin"])
    assert (tmp_path / "dictation.srt").is_file()


@pytest.mark.parametrize(
    ("source", "sentence"), [("gone.wav", "there is no file or folder"), (".", "holds no recording")]
)
def test_a_source_without_recordings_is_refused(tmp_path, source, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        run([tmp_path / source])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"formats": ("docx",)}, "there is no format 'docx'; there are srt, vtt, json, tsv, txt"),
        ({"jobs": 0}, "jobs is 0"),
        ({"task": "sing"}, "there is no task 'sing'"),
    ],
)
def test_wrong_options_name_the_right_ones(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        TranscribeOptions(**options)


def test_a_server_without_the_pipeline_is_told_once(tmp_path):
    tree(tmp_path, "a.wav", "b.wav")
    with pytest.raises(NotFoundError):
        run([tmp_path], FakeTransport({}))


def test_the_command_says_what_is_wrong_and_exits_with_1(tmp_path):
    result = CliRunner().invoke(app, ["transcribe", str(tmp_path / "gone.wav")])
    assert result.exit_code == 1
    assert "there is no file or folder" in result.output
