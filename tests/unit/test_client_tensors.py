"""What callers have, as arrays; what cannot be carried is refused before it is sent."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.client_pipelines import DOUBLE, EMBEDDING, TEXT
from tritonzoo.client import Tensor
from tritonzoo.client.tensors import as_array, as_arrays, file_bytes, text_bytes
from tritonzoo.errors import InvalidInputError

NUMBERS = Tensor("x", "FP32", (-1,))
COUNT = Tensor("n", "INT32", (1,))
FLAG = Tensor("flag", "BOOL", (1,))


def test_a_lone_value_fills_all_axes_and_a_missing_batch_axis_is_added():
    assert as_array("hé", TEXT, batched=True).tolist() == [["hé".encode()]]
    assert as_array(["a"], TEXT, batched=True).shape == (1, 1)
    assert as_array([["a"], ["b"]], TEXT, batched=True).shape == (2, 1)
    assert as_array([1, 2, 3], NUMBERS, batched=True).shape == (1, 3)
    assert as_array([1, 2, 3], NUMBERS, batched=False).shape == (3,)


def test_bytes_keep_their_trailing_zeros():
    assert as_array(b"a\x00\x00", TEXT, batched=True).item() == b"a\x00\x00"
    assert as_array([[b"a\x00"], [b"bcd"]], TEXT, batched=True).tolist() == [[b"a\x00"], [b"bcd"]]


def test_numbers_take_the_servers_dtype_when_they_survive_it():
    assert as_array([1, 2], NUMBERS, batched=False).dtype == np.float32
    assert as_array([0.1], NUMBERS, batched=False).item() == np.float32(0.1)
    assert as_array(7, COUNT, batched=True).tolist() == [[7]]
    assert as_array(2.0, COUNT, batched=True).tolist() == [[2]]
    assert as_array(True, FLAG, batched=True).tolist() == [[True]]
    assert np.isnan(as_array([np.nan, 1], NUMBERS, batched=False)[0])


@pytest.mark.parametrize(
    ("value", "tensor", "complaint"),
    [
        (0.5, COUNT, "without change"),
        (2**40, COUNT, "without change"),
        (1e300, NUMBERS, "without change"),
        (["a"], NUMBERS, "takes no <U1 values"),
        ([[1, 2], [3]], NUMBERS, "regular array"),
        (1, FLAG, "takes no int64 values; give bool"),
        (True, COUNT, "takes no bool values"),
        ([1, 2], TEXT, "takes str or bytes, this is int 1"),
        (np.zeros((2, 2, 2), np.float32), NUMBERS, r"wants 2 axes .* shape \[2, 2, 2\]"),
    ],
)
def test_values_that_would_change_or_do_not_fit_are_refused_by_name(value, tensor, complaint):
    with pytest.raises(InvalidInputError, match=complaint) as refusal:
        as_array(value, tensor, batched=True)
    assert f"input {tensor.name} {tensor.datatype}" in str(refusal.value)


def test_unknown_and_missing_inputs_are_told_with_what_the_pipeline_takes():
    with pytest.raises(InvalidInputError, match=r"no input 'txt'; it takes text BYTES \[1\]"):
        as_arrays(EMBEDDING, {"txt": "a"})
    with pytest.raises(InvalidInputError, match=r"also needs x FP32 \[-1\]"):
        as_arrays(DOUBLE, {"n": 1})
    assert set(as_arrays(DOUBLE, {"x": [1.0]})) == {"x"}


def test_a_file_is_a_path_or_its_bytes(tmp_path):
    path = tmp_path / "letter.png"
    path.write_bytes(b"\x89PNG\x00")
    assert file_bytes(path) == file_bytes(str(path)) == file_bytes(b"\x89PNG\x00") == b"\x89PNG\x00"
    assert file_bytes(bytearray(b"ab")) == b"ab"


def test_a_file_that_cannot_be_had_is_told_with_the_place_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match=f"no file 'gone.png' in {tmp_path}; give an existing path"):
        file_bytes("gone.png")
    with pytest.raises(InvalidInputError, match="Is a directory"):
        file_bytes(tmp_path)
    with pytest.raises(InvalidInputError, match="give a path, or the bytes"):
        file_bytes("aGVsbG8=" * 1000)
    with pytest.raises(InvalidInputError, match="give a path, or the bytes"):
        file_bytes("a\x00b")
    with pytest.raises(InvalidInputError, match="this is int 3"):
        file_bytes(3)


def test_a_text_is_a_str_that_utf8_can_carry():
    assert text_bytes("naïve 🦁") == "naïve 🦁".encode()
    with pytest.raises(InvalidInputError, match="must be a str, this is bytes b'a'"):
        text_bytes(b"a")
    with pytest.raises(InvalidInputError, match="lone surrogate at character 1"):
        text_bytes("a\ud800")
