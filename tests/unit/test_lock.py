"""A lock says what is whole; whatever is half-written is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonzoo.errors import RepositoryError
from tritonzoo.lock import Lock, locked_file, sha256_of, write_text

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_lock_reads_back_as_it_was_written(tmp_path: Path) -> None:
    artifact = tmp_path / "model.onnx"
    artifact.write_bytes(b"weights")
    lock = Lock("starter", ("a", "b"), EMPTY_SHA256, EMPTY_SHA256, {"model.onnx": locked_file(artifact)})

    lock.write(tmp_path / "artifacts.lock")

    assert Lock.read(tmp_path / "artifacts.lock") == lock


def test_a_truncated_file_is_not_the_locked_one(tmp_path: Path) -> None:
    artifact = tmp_path / "model.onnx"
    artifact.write_bytes(b"weights")
    lock = Lock(files={"model.onnx": locked_file(artifact)})
    assert lock.has_file(artifact, relative_to=tmp_path)

    artifact.write_bytes(b"weig")

    assert not lock.has_file(artifact, relative_to=tmp_path)


def test_no_lock_is_an_empty_lock(tmp_path: Path) -> None:
    assert Lock.read(tmp_path / "artifacts.lock") == Lock()


def test_a_damaged_lock_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "artifacts.lock"
    path.write_text('{"variant": ')

    with pytest.raises(RepositoryError, match="remove it and run `make setup`"):
        Lock.read(path)


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()

    assert sha256_of(path) == EMPTY_SHA256


def test_text_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    path.write_text("old")

    write_text(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
