"""The log of a conversion: the command that repeats it, each step, and how it ended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tritonzoo.convert.step_log import logged

COMMAND = "tritonzoo convert words --precision fp16 --force"


def lines(log: Path) -> list[str]:
    """The log without dates and seconds, which differ from run to run."""
    return [re.sub(r"^ *\d+\.\d s  ", "", line) for line in log.read_text().splitlines() if line[0] != "#"]


def test_a_log_opens_with_the_command_and_ends_with_done(tmp_path: Path) -> None:
    log, told = tmp_path / "logs" / "model.onnx.log", []

    with logged(log, COMMAND, told.append) as step:
        step("making model.onnx")
        step("comparing it")

    assert told == ["making model.onnx", "comparing it"]
    assert lines(log) == [f"$ {COMMAND}", "making model.onnx", "comparing it", "done"]


@pytest.mark.parametrize(
    ("error", "last"),
    [(ValueError("beyond its tolerance"), "failed: beyond its tolerance"), (KeyboardInterrupt(), "stopped: KeyboardInterrupt")],
)  # fmt: skip
def test_a_log_says_how_it_failed(tmp_path: Path, error: BaseException, last: str) -> None:
    with pytest.raises(type(error)), logged(tmp_path / "logs" / "a.log", COMMAND, print) as step:
        step("making it")
        raise error

    assert lines(tmp_path / "logs" / "a.log")[-2:] == ["making it", last]


def test_the_next_run_begins_a_new_log(tmp_path: Path) -> None:
    for step_name in ("first", "second"):
        with logged(tmp_path / "logs" / "a.log", COMMAND, print) as step:
            step(step_name)

    assert lines(tmp_path / "logs" / "a.log") == [f"$ {COMMAND}", "second", "done"]


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    told: list[str] = []

    with logged(tmp_path / "logs" / "a.log", COMMAND, told.append) as step:
        step("making it")
        step("comparing it")

    assert told[1:] == ["making it", "comparing it"]
    assert re.match(r"without a log: .*a\.log cannot be written \((File exists|Not a directory)\)", told[0])
