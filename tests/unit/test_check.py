"""The good tree has no finding; each fault planted in it is found, with the file and the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.trees import sound_tree
from tritonzoo.check import check
from tritonzoo.repository import Repository


def test_a_sound_tree_has_no_finding(tmp_path: Path) -> None:
    assert check(Repository(sound_tree(tmp_path))) == ()


def test_this_tree_has_no_finding() -> None:
    assert [str(finding) for finding in check(Repository.find(Path(__file__).parent))] == []


FAULTS = {
    "a name in the config": ("double", 'backend: "python"', 'name: "d" backend: "python"', "remove the line"),
    "no opening comment": ("double", "# Double a number.\n", "", "open it with a comment"),
    "no backend": ("double", 'backend: "python"', "", "names no backend"),
    "a misspelt field": ("double", "max_batch_size", "max_batchsize", "4:|:3:1"),
    "an unknown member": ("quadruple", '"double_again"', '"treble"', "no model 'treble'"),
    "a member's output that is not there": ("quadruple", '"y" value: "z"', '"w" value: "z"', "no such output"),
    "a member's input that is not there": ("quadruple", '"x" value: "twice"', '"w" value: "twice"', "no such input"),
    "a tensor that nothing writes": ("quadruple", '"x" value: "twice"', '"x" value: "thrice"', "nothing writes it"),
    "an output that no step writes": ("quadruple", 'value: "z"', 'value: "zz"', "no step writes it"),
    "a tensor written twice": ("quadruple", 'value: "z"', 'value: "twice"', "writes 'twice' twice"),
    "dtypes that clash": ("double_again", '"x" data_type: TYPE_FP32', '"x" data_type: TYPE_FP16', "TYPE_FP32 does not"),
    "dims that clash": ("double_again", '"x" data_type: TYPE_FP32 dims: [ 4 ]', '"x" data_type: TYPE_FP32 dims: [ 5 ]',
                        r"\[4\] do not fit \[5\]"),
    "ranks that clash": ("double", '"y" data_type: TYPE_FP32 dims: [ 4 ]', '"y" data_type: TYPE_FP32 dims: [ 2, 2 ]',
                         r"\[2, 2\] do not fit \[4\]"),
    "padding of an unknown input": ("double", "dynamic_batching {}",
                                    'parameters { key: "padding" value { string_value: "w:1=0" } }', "names w"),
}  # fmt: skip


@pytest.mark.parametrize(("folder", "old", "new", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found(tmp_path: Path, folder: str, old: str, new: str, message: str) -> None:
    path = next(sound_tree(tmp_path).glob(f"*/{folder}/config.pbtxt"))
    assert old in path.read_text(), "the fault would plant nothing"
    path.write_text(path.read_text().replace(old, new))

    findings = "\n".join(map(str, check(Repository(tmp_path))))

    assert re.search(message, findings), findings


def test_a_missing_version_folder_is_found(tmp_path: Path) -> None:
    (sound_tree(tmp_path) / "ensembles" / "quadruple" / "1").rmdir()

    assert "no version folder 1/" in str(check(Repository(tmp_path))[0])


def test_missing_code_is_found(tmp_path: Path) -> None:
    (sound_tree(tmp_path) / "model_repository" / "double" / "1" / "model.py").unlink()

    assert "a model of the python backend needs it" in str(check(Repository(tmp_path))[0])
