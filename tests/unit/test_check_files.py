"""Files and folders that are not what they are taken for: each told once, where it lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.check_deeds import (
    MODELS,
    RECIPE,
    Deed,
    Found,
    a_folder,
    a_link_to_nothing,
    a_model,
    added,
    all_of,
    assert_found,
    code,
    config,
    renamed,
    written,
)
from tests.unit.check_tree import PLAIN_CODE, write_check_tree
from tritonzoo.check import check
from tritonzoo.repository import Repository

STREAM, STREAM_CODE, LABELS = config("stream"), code("stream"), f"{MODELS}/class_label/labels.txt"
ONNX, LOCK, GOLDEN = (f"{MODELS}/scores/{name}" for name in ("1/model.onnx", "artifacts.lock", "golden.npz"))
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"
TOKENIZER = """# Cut.
backend: "tokenizer"
max_batch_size: 4
input [{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }]
output [{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }]
"""


def copied(source: str, target: str) -> Deed:
    return lambda root: shutil.copytree(root / source, root / target)


def a_tokenizer(content: str | None) -> Deed:
    folder = f"{MODELS}/cut"
    made = [written(f"{folder}/config.pbtxt", TOKENIZER), written(f"{folder}/1/.gitkeep", "")]
    return all_of(*made, *([written(f"{folder}/1/tokenizer.json", content)] if content is not None else []))


def own_backends(root: Path) -> None:
    source = (root / "backends").resolve()
    (root / "backends").unlink()
    shutil.copytree(source, root / "backends", ignore=shutil.ignore_patterns("__pycache__"))


def prefixed(file: str, text: str) -> Deed:
    return lambda root: (root / file).write_text(text + (root / file).read_text("utf-8"), "utf-8")


BROKEN = {
    "a configuration that is a folder": Found(a_folder(STREAM), "stray-folder", f"{MODELS}/stream", "make config.pbtxt a file"),
    "a configuration that is a link to nothing": Found(a_link_to_nothing(STREAM), "stray-folder", f"{MODELS}/stream", "a link to nothing"),
    "a misspelt configuration": Found(renamed(STREAM, "config.pbtx"), "stray-folder", f"{MODELS}/stream", "rename config.pbtx"),
    "a configuration in capitals": Found(renamed(STREAM, "Config.pbtxt"), "stray-folder", f"{MODELS}/stream", "rename Config.pbtxt"),
    "folders of notebooks' checkpoints": Found(written(f"{MODELS}/.ipynb_checkpoints/a", ""), "stray-folder", f"{MODELS}/.ipynb_checkpoints"),
    "a version folder beside the models": Found(written(f"{MODELS}/1/model.py", PLAIN_CODE), "stray-folder", f"{MODELS}/1"),
    "a link to nothing beside the models": Found(a_link_to_nothing(f"{MODELS}/gone"), "link-dangling", f"{MODELS}/gone", "put the file in its place"),
    "labels that are a link to nothing": Found(a_link_to_nothing(LABELS), "link-dangling", LABELS),
    "a graph that is a link to nothing": Found(a_link_to_nothing(ONNX), "link-dangling", ONNX),
    "a recipe that is a link to nothing": Found(a_link_to_nothing(RECIPE), "link-dangling", RECIPE),
    "a version folder that is a link to itself": Found(
        all_of(lambda root: shutil.rmtree(root / MODELS / "stream/1"), lambda root: (root / MODELS / "stream/1").symlink_to("1")),
        "link-dangling", f"{MODELS}/stream/1"),
    "labels that are a folder": Found(a_folder(LABELS), "file-misplaced", LABELS, "put the file in its place"),
    "a graph that is a folder": Found(a_folder(ONNX), "file-misplaced", ONNX),
    "a model.py that is a folder": Found(a_folder(STREAM_CODE), "file-misplaced", STREAM_CODE),
    "a recipe that is a folder": Found(a_folder(RECIPE), "file-misplaced", RECIPE),
    "a lock that is a folder": Found(a_folder(LOCK), "file-misplaced", LOCK),
    "a graph that was not fetched": Found(written(ONNX, POINTER), "file-not-fetched artifact-bytes", ONNX, "git lfs pull"),
    "answers that were not fetched": Found(written(GOLDEN, POINTER), "file-not-fetched golden-unreadable", GOLDEN, "git lfs pull"),
    "a tokenizer that was not fetched": Found(a_tokenizer(POINTER), "file-not-fetched", f"{MODELS}/cut/1/tokenizer.json"),
    "a tokenizer that is cut off": Found(a_tokenizer('{"version": \n'), "json-broken", f"{MODELS}/cut/1/tokenizer.json", "fetch or make it again"),
    "a tokenizer that nothing makes": Found(a_tokenizer(None), "artifact-missing", f"{MODELS}/cut/config.pbtxt", "1/tokenizer.json is not there"),
    "labels with a byte order mark": Found(written(LABELS, b"\xef\xbb\xbfbad\nso-so\ngood\n"), "labels-content", LABELS, "without one"),
    "labels that differ by a space": Found(written(LABELS, "bad\nbad \ngood\n"), "labels-content", LABELS, "name each class once"),
    "names that differ by capitals": Found(copied(f"{MODELS}/stream", f"{MODELS}/Stream"), "names-alike", STREAM, "rename one"),
    "such names in two repositories": Found(copied(f"{MODELS}/stream", "ensembles/Stream"), "names-alike", "ensembles/Stream/config.pbtxt"),
    "a name in another script": Found(copied(f"{MODELS}/stream", f"{MODELS}/str\u00ebam"), "folder-name", f"{MODELS}/str\u00ebam/config.pbtxt"),
    "a version 01": Found(renamed(f"{MODELS}/stream/1", "01"), "version-folder", STREAM, "rename 01/ to 1/"),
    "a version 3 alone": Found(renamed(f"{MODELS}/stream/1", "3"), "version-folder", STREAM, "commands of this tree"),
    "a version twice": Found(copied(f"{MODELS}/stream/1", f"{MODELS}/stream/01"), "version-repeated", f"{MODELS}/stream/01", "remove it"),
    "a later version without its file": Found(lambda root: (root / MODELS / "stream/2").mkdir(), "artifact-missing", STREAM, "2/model.py is not there"),
    "the latest of no versions": Found(added(STREAM, "version_policy { latest { num_versions: 0 } }\n"), "version-policy", STREAM, "write num_versions: 1"),
    "samples of no pipeline": Found(written("data_samples/wirte/a.txt", "x"), "samples-unknown", "data_samples/wirte", "rename it to write"),
    "a backend that does not parse": Found(
        all_of(own_backends, written("backends/labels/model.py", "def (:\n")),
        "backend-syntax", "backends/labels/model.py", "correct it"),
    "a backend of another class": Found(
        all_of(own_backends, written("backends/labels/model.py", "class Labels: ...\n")), "backend-class", "backends/labels/model.py", "class TritonPythonModel"),
    "torch in a backend": Found(
        all_of(own_backends, prefixed("backends/labels/model.py", "import torch\n")),
        "backend-heavy-import", "backends/labels/model.py", "NumPy"),
}  # fmt: skip


@pytest.mark.parametrize("expected", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_what_it_is_taken_for_is_found(tmp_path: Path, expected: Found) -> None:
    assert_found(tmp_path, expected)


@pytest.mark.parametrize(
    "path", [STREAM, STREAM_CODE, f"{MODELS}/stream/1", f"{MODELS}/stream", LABELS, RECIPE, LOCK]
)
def test_what_may_not_be_read_is_found_once(tmp_path: Path, path: str) -> None:
    root = write_check_tree(tmp_path)
    mode = (root / path).stat().st_mode
    (root / path).chmod(0)
    try:
        if os.access(root / path, os.R_OK):
            pytest.skip("this user may read everything, whatever its mode: run the tests as one that may not")
        findings = check(Repository(root))
    finally:
        (root / path).chmod(mode)

    assert [finding.path for finding in findings] == [path], findings
    assert "chmod" in findings[0].remedy


def test_three_hundred_models_take_less_than_five_seconds(tmp_path: Path) -> None:
    import time

    root = write_check_tree(tmp_path)
    for number in range(300):
        a_model(f"model_{number}")(root)
    start_s = time.process_time()
    findings = check(Repository(root))

    assert findings == ()
    assert time.process_time() - start_s < 5


def test_a_root_without_repositories_has_nothing_to_find(tmp_path: Path) -> None:
    (tmp_path / "ensembles").write_text("a file")

    assert check(Repository(tmp_path)) == ()
