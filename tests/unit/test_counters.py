"""Counts of padding: added up in one process, read by another, over all processes of a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tritonzoo.runtime.counters import COUNTERS_VARIABLE, Counted, PaddingCounters, read_counters


def test_waste_is_padding_over_what_is_real() -> None:
    assert Counted(runs=2, rows=3, real_elements=40, padded_elements=50).waste == pytest.approx(0.25)
    assert Counted().waste == 0


def test_the_difference_of_two_readings_is_what_was_run_between_them() -> None:
    before, after = Counted(1, 2, 30, 40), Counted(4, 8, 100, 130)

    assert after - before == Counted(3, 6, 70, 90)


def test_without_a_folder_a_process_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COUNTERS_VARIABLE, raising=False)
    counters = PaddingCounters.of("encoder")

    counters.add(2, 10, 12)
    counters.add(1, 5, 5)

    assert counters.counted() == Counted(2, 3, 15, 17)


def test_another_process_reads_the_sum_over_all_processes_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COUNTERS_VARIABLE, str(tmp_path))
    PaddingCounters.of("model.with.dots").add(4, 40, 44)
    code = (
        "from tritonzoo.runtime.counters import PaddingCounters\n"
        "PaddingCounters.of('model.with.dots').add(1, 7, 7)\n"
        "PaddingCounters.of('other').add(1, 3, 4)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=True, timeout=60)

    assert read_counters(tmp_path) == {
        "model.with.dots": Counted(2, 5, 47, 51),
        "other": Counted(1, 1, 3, 4),
    }


def test_a_folder_that_is_not_there_holds_no_counts(tmp_path: Path) -> None:
    assert read_counters(tmp_path / "none") == {}
