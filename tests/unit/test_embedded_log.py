"""Triton's log, read while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonzoo.embedded.log import LogReader

START = """\
W1122 20:01:23.647666 7233 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory: CUDA driver version"
I1122 20:01:23.647718 7233 cuda_memory_manager.cc:117] "CUDA memory pool disabled"
E1122 20:01:23.647801 7233 server.cc:241] "CudaDriverHelper has not been initialized."
I1122 20:01:23.649152 7233 model_lifecycle.cc:472] "loading: slow:1"
I1122 20:01:23.649213 7233 model_lifecycle.cc:472] "loading: fast:1"
I1122 20:01:23.776987 7233 model_lifecycle.cc:839] "successfully loaded 'slow'"
"""
FAILURE = r"""
E1122 20:07:23.499699 9 model_lifecycle.cc:642] "failed to load 'fast' version 1: Internal: ModuleNotFoundError: No module named 'nosuch'\n\nAt:\n  /a/fast/1/model.py(1): <module>\n"
I1122 20:07:23.499738 9 model_lifecycle.cc:777] "failed to load 'fast'"
E1122 20:07:23.155250 9 model_repository_manager.cc:1460] "Poll failed for model directory 'slow': failed to read text proto from slow/config.pbtxt"
error: creating server: Internal - failed to load all models
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "triton.log"
    path.touch()
    return path


def test_models_are_reported_once_when_they_have_loaded(log: Path) -> None:
    reader = LogReader(log)
    assert reader.read() == []
    log.write_text(START)
    assert reader.read() == ["slow"]
    assert reader.read() == []
    assert list(reader.loading) == ["slow", "fast"]


def test_a_log_that_was_emptied_is_read_from_its_new_beginning(log: Path) -> None:
    reader = LogReader(log)
    log.write_text(START)
    reader.read()
    log.write_text("I1122 20:01:24.1 7 model_lifecycle.cc:839] \"successfully loaded 'fast'\"\n")
    assert reader.read() == ["fast"]


def test_a_line_written_in_two_pieces_is_read_whole(log: Path) -> None:
    reader = LogReader(log)
    for end in (len(START) - 20, len(START)):
        log.write_text(START[:end])
        loaded = reader.read()
    assert loaded == ["slow"]


def test_a_machine_without_a_gpu_is_no_error(log: Path) -> None:
    log.write_text(START)
    reader = LogReader(log)
    reader.read()
    assert reader.errors == []


def test_failures_have_their_reason_without_the_traceback(log: Path) -> None:
    log.write_text(START + FAILURE)
    reader = LogReader(log)
    reader.read()
    assert reader.failed == {
        "fast": "ModuleNotFoundError: No module named 'nosuch'",
        "slow": "failed to read text proto from slow/config.pbtxt",
    }
    assert reader.errors == ["creating server: Internal - failed to load all models"]


def test_the_number_of_models_at_work_is_known_once_triton_says_it(log: Path) -> None:
    reader = LogReader(log)
    assert reader.in_flight is None
    line = 'I1122 20:01:32.085128 7 server.cc:321] "Timeout 26: Found %d model versions that have in-flight inferences"\n'
    log.write_text(line % 2)
    reader.read()
    assert reader.in_flight == 2
    log.write_text(line % 2 + line % 0)
    reader.read()
    assert reader.in_flight == 0
