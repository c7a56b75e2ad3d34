"""Files replaced together: all of them, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonzoo.replacing import replace_together


@pytest.fixture
def places(tmp_path: Path) -> dict[Path, Path]:
    """Three places, the last of them empty, and the new file for each."""
    pairs = {}
    for name in ("artifact", "ledger", "lock"):
        place, staged = tmp_path / name, tmp_path / f".{name}.partial"
        if name != "lock":
            place.write_text(f"old {name}")
        staged.write_text(f"new {name}")
        pairs[place] = staged
    return pairs


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_are_the_new_ones_and_nothing_is_left_beside_them(places, tmp_path: Path) -> None:
    replace_together(places)

    assert contents(tmp_path) == {name: f"new {name}" for name in ("artifact", "ledger", "lock")}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", ["artifact", "ledger", "lock"])
@pytest.mark.parametrize("moment", ["before the rename", "after it"])
def test_whatever_interrupts_puts_back_what_was_there(
    places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, error: BaseException, moment: str
) -> None:
    rename = Path.replace

    def replace(staged: Path, place: Path) -> None:
        interrupted = place.name == failing and staged.name.endswith(".partial")
        if interrupted and moment == "before the rename":
            raise error
        rename(staged, place)
        if interrupted:
            raise error

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(type(error)):
        replace_together(places)

    left = {name: text for name, text in contents(tmp_path).items() if not name.endswith(".partial")}
    assert left == {"artifact": "old artifact", "ledger": "old ledger"}


def test_a_missing_new_file_changes_nothing(places, tmp_path: Path) -> None:
    places[tmp_path / "ledger"].unlink()

    with pytest.raises(FileNotFoundError):
        replace_together(places)

    assert (tmp_path / "artifact").read_text() == "old artifact"
    assert (tmp_path / "ledger").read_text() == "old ledger"
    assert not (tmp_path / "lock").exists()
