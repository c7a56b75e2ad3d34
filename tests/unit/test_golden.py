"""golden.npz: what is kept of inputs and answers, and what an artifact is held to. No torch, no server."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tritonzoo.errors import ParityError, RepositoryError
from tritonzoo.golden.file import NAME, ROW_NUMBERS, Case, Golden, storable, thinned
from tritonzoo.golden.verify import compare
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
GOLDEN_FILES = sorted(ROOT.glob(f"*/*/{NAME}"))


def golden(*cases: Case) -> Golden:
    return Golden("starter", ("starters/words",), "tritonzoo golden words --record", cases, {"torch": "2"})


def strings(*values: bytes) -> np.ndarray:
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


def case(**answers: np.ndarray) -> Case:
    return Case.of({"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, answers)


def read_back(written: Golden, folder: Path) -> Golden:
    written.write(folder / NAME)
    return Golden.read(folder / NAME)


@pytest.mark.parametrize(
    "array",
    [
        np.array([[101, 30521, 0]], np.int64),
        np.array([[2**40]], np.int64),
        np.array([[0.0, 255.0], [7.0, -3.0]], np.float32),
        np.array([[0.1, 1e-30, 1e30]], np.float32),
        np.array([[np.float16(0.1)]], np.float32),
        np.array([[True, False]]),
    ],
    ids=["ids", "large", "pixels", "floats", "halves", "booleans"],
)
def test_every_number_reads_back_as_it_was(tmp_path: Path, array: np.ndarray) -> None:
    found = read_back(golden(Case.of({"x": array}, {"y": array})), tmp_path).cases[0]

    for back in (found.inputs["x"], found.answers["y"]):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def test_strings_read_back_byte_for_byte_whatever_they_hold(tmp_path: Path) -> None:
    values = strings(b"", "Ärger".encode(), b"BM\x00\x00picture\x00\x00")

    found = read_back(golden(Case.of({"text": values}, {"label": values})), tmp_path).cases[0]

    assert found.inputs["text"].tolist() == values.tolist()
    assert found.answers["label"].shape == (3, 1)


def test_where_it_came_from_reads_back(tmp_path: Path) -> None:
    written = golden(case(y=np.ones((2, 3), np.float32)))

    found = read_back(written, tmp_path)

    assert dataclasses.replace(found, cases=()) == dataclasses.replace(written, cases=())
    with np.load(tmp_path / NAME) as arrays:
        assert "tritonzoo golden words --record" in str(arrays["about"])


def test_the_same_answers_give_the_same_bytes() -> None:
    written = golden(case(y=np.ones((2, 3), np.float32)))

    assert written.to_bytes() == written.to_bytes()


def test_of_a_long_row_evenly_spaced_numbers_are_kept_first_and_last_among_them() -> None:
    rows = np.arange(2 * 5000, dtype=np.float32).reshape(2, 50, 100)

    kept = thinned(rows)

    assert kept.shape == (2, ROW_NUMBERS)
    assert kept[0, 0] == 0 and kept[0, -1] == 4999
    assert np.diff(kept[0]).max() <= 6


def test_inputs_are_rounded_to_what_is_stored_unless_whole_numbers() -> None:
    waveform = np.array([[0.123456789, -0.5]], np.float32)
    loud = np.array([[1e6, 0.1]], np.float32)
    counts = np.array([[32_767.0, 3.0]], np.float32)

    stored = storable({"waveform": waveform, "loud": loud, "counts": counts, "ids": np.array([7])})

    np.testing.assert_array_equal(stored["waveform"], waveform.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(stored["loud"], loud)
    np.testing.assert_array_equal(stored["counts"], counts)
    assert stored["ids"].dtype == np.int64


def test_the_same_answers_differ_by_nothing() -> None:
    answer = {
        "y": np.ones((2, 3), np.float32),
        "label": strings(b"a", b"b"),
        "count": np.zeros((2, 1), np.int32),
    }

    parity = compare(golden(case(**answer)), lambda inputs: answer)

    assert parity.needed == {"atol": 0.0, "cosine": pytest.approx(1.0), "mean_cosine": pytest.approx(1.0)}
    assert set(parity.errors) == {"y"}, "what must be equal has no distance"


def test_an_answer_without_a_number_is_held_to_its_shape() -> None:
    recorded = golden(case(starts=np.zeros((0, 4), np.float32)))

    assert compare(recorded, lambda inputs: {"starts": np.zeros((0, 4), np.float32)}).errors == {}
    with pytest.raises(ParityError, match=r"shape \(1, 4\), the source's \(0, 4\)"):
        compare(recorded, lambda inputs: {"starts": np.zeros((1, 4), np.float32)})


def test_floats_are_measured() -> None:
    expected = np.array([[3.0, 4.0], [1.0, 0.0]], np.float32)

    parity = compare(golden(case(y=expected)), lambda inputs: {"y": expected + np.float32(0.25)})

    assert parity.needed["atol"] == 0.25
    assert parity.errors["y"].rows == 2


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "output y: there is none"),
        ({"y": np.ones((2, 4), np.float32)}, r"shape \(2, 4\), the source's \(2, 3\)"),
        ({"y": np.ones((2, 3), np.float32), "label": strings(b"a", b"c")}, "label: b'a', b'c', but the source answers b'a', b'b'"),
    ],
    ids=["missing", "shape", "string"],
)  # fmt: skip
def test_what_must_be_equal_is_refused_by_name(found: dict[str, np.ndarray], message: str) -> None:
    recorded = golden(case(y=np.ones((2, 3), np.float32), label=strings(b"a", b"b")))

    with pytest.raises(ParityError, match=message):
        compare(recorded, lambda inputs: found)


@pytest.mark.parametrize("content", [None, b"not an archive", b"PK\x03\x04"])
def test_a_file_that_is_none_says_how_to_record_it(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    if content is not None:
        (folder / NAME).write_bytes(content)

    with pytest.raises(RepositoryError, match="record it: tritonzoo golden words --record"):
        Golden.read(folder / NAME)


# -- the committed ones --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.parent.name)
def test_a_committed_file_is_small_and_says_how_it_was_made(path: Path) -> None:
    recorded = Golden.read(path)

    assert path.stat().st_size <= 64 * 1024
    assert recorded.variant == "starter"
    assert recorded.made_by == f"tritonzoo golden {path.parent.name} --record"
    assert recorded.sources and recorded.cases and recorded.versions


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.parent.name)
def test_a_committed_file_feeds_what_the_config_declares(path: Path) -> None:
    config = Repository.find(ROOT).model(path.parent.name).config
    inputs, outputs = ({tensor.name for tensor in group} for group in (config.input, config.output))
    needed = {tensor.name for tensor in config.input if not tensor.optional}

    for recorded in Golden.read(path).cases:
        assert needed <= set(recorded.inputs) <= inputs
        assert recorded.inputs
        assert set(recorded.answers) <= outputs
