"""What the system tells of the processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonzoo.runtime.processor import second_level_cache_bytes


def caches(folder: Path, *told: tuple[str, str, str]) -> Path:
    for number, (level, kind, size) in enumerate(told):
        index = folder / f"index{number}"
        index.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (index / name).write_text(text + "\n")
    return folder


@pytest.mark.parametrize(("size", "size_bytes"), [("512K", 512 << 10), ("2048K", 2 << 20), ("2M", 2 << 20)])
def test_the_second_level_cache_is_found_among_the_others(tmp_path: Path, size: str, size_bytes: int) -> None:
    told = caches(
        tmp_path,
        ("1", "Data", "48K"),
        ("1", "Instruction", "64K"),
        ("2", "Unified", size),
        ("3", "Unified", "480M"),
    )
    assert second_level_cache_bytes(told) == size_bytes


@pytest.mark.parametrize(
    "told", [(), (("1", "Data", "48K"),), (("2", "Unified", "?"),), (("2", "Unified", ""),)]
)
def test_where_it_is_not_told_the_usual_size_is_taken(
    tmp_path: Path, told: tuple[tuple[str, str, str], ...]
) -> None:
    assert second_level_cache_bytes(caches(tmp_path, *told)) == 512 << 10


def test_this_machine_has_one_of_a_believable_size() -> None:
    assert 128 << 10 <= second_level_cache_bytes() <= 64 << 20
