"""A digest is remembered until its file changes, however carefully the change is hidden."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tritonzoo import digests
from tritonzoo.digests import Digests
from tritonzoo.lock import sha256_of


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests.json"


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written long enough ago for its digest to be remembered."""
    monkeypatch.setattr(digests, "_SETTLED_NS", 20_000_000)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    time.sleep(0.05)
    return path


def remembered(kept: Path, artifact: Path) -> str:
    """The digest as it is told where a file's bytes cannot be read."""
    return Digests(kept).of(artifact)


def learn(kept: Path, artifact: Path) -> str:
    known = Digests(kept)
    digest = known.of(artifact)
    known.save()
    return digest


def test_an_unchanged_file_is_read_once(kept: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = learn(kept, artifact)
    monkeypatch.setattr(digests, "sha256_of", lambda path: pytest.fail(f"{path} is read again"))

    assert remembered(kept, artifact) == digest == sha256_of(artifact)


def test_other_bytes_with_the_old_size_and_times_are_noticed(kept: Path, artifact: Path) -> None:
    learn(kept, artifact)
    before = artifact.stat()

    artifact.write_bytes(b"WEIGHTS")
    os.utime(artifact, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert remembered(kept, artifact) == sha256_of(artifact)


def test_another_file_in_its_place_is_noticed(kept: Path, artifact: Path) -> None:
    learn(kept, artifact)
    before = artifact.stat()
    other = artifact.with_name("other")
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))

    other.replace(artifact)

    assert remembered(kept, artifact) == sha256_of(artifact)


def test_a_file_written_just_now_is_not_remembered(kept: Path, tmp_path: Path) -> None:
    artifact = tmp_path / "model.onnx"
    artifact.write_bytes(b"weights")

    learn(kept, artifact)

    assert not kept.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_a_damaged_memory_is_no_memory(kept: Path, artifact: Path, content: str) -> None:
    kept.parent.mkdir()
    kept.write_text(content)

    assert learn(kept, artifact) == sha256_of(artifact)
    assert remembered(kept, artifact) == sha256_of(artifact)


def test_files_that_are_gone_are_forgotten(kept: Path, artifact: Path) -> None:
    learn(kept, artifact)
    other = artifact.with_name("other.onnx")
    artifact.rename(other)
    time.sleep(0.05)  # being renamed is a change

    learn(kept, other)

    assert str(other) in kept.read_text()
    assert str(artifact) not in kept.read_text()


def test_where_nothing_can_be_kept_files_are_read_each_time(tmp_path: Path, artifact: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")

    assert learn(tmp_path / "cache" / "digests.json", artifact) == sha256_of(artifact)
