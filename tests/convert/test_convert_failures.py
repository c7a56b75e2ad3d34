"""Whatever goes wrong in `tritonzoo convert` ends in one sentence and leaves the previous artifact as it was.

Real processes, a real full disk, a real Ctrl-C.
"""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="conversion needs tritonzoo[convert]")
from safetensors.numpy import save_file

from tritonzoo.convert.artifact import convert
from tritonzoo.errors import ConversionError, RecipeError, SourceError, TritonZooError
from tritonzoo.lock import sha256_of
from tritonzoo.repository import Repository

WORDS, DIMENSIONS = 4000, 32  # 512 kB of weights
CONFIG = """# Mix the words of a text.
backend: "onnxruntime"
max_batch_size: 8

input  [{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }]  # tokens
output [{ name: "mean" data_type: TYPE_FP32 dims: [ 32 ] }]        # mean over the tokens
"""
RECIPE = """
from tritonzoo.recipe import Recipe, Shapes, Starter, Tolerance

recipe = Recipe(
    sources={"starter": Starter("words", %(pins)s)},
    license="Apache-2.0",
    shapes={"input_ids": Shapes(min=(1, 1), opt=(4, 8), max=(8, 32))},
    tolerance={"fp32": Tolerance(atol=1e-5, why="float32 in another order")},
)

def load(weights):
    import time, torch
    from safetensors.torch import load_file

    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(load_file(weights / "model.safetensors")["table"])
        def forward(self, input_ids):
            %(before)s
            return self.table[input_ids].mean(1)
    return Mean().eval()

def samples(rng):
    for shape in ((3, 5), (1, 1), (8, 32)):
        yield {"input_ids": rng.integers(0, 100, size=shape)}
"""
WAIT_IN_EXPORT = 'torch.jit.is_tracing() and (print("NOW", flush=True), time.sleep(60))'
WAIT_IN_COMPARISON = 'torch.jit.is_tracing() or (print("NOW", flush=True), time.sleep(60))'

BAKED_LENGTH = "(self.table[input_ids] * torch.ones(int(input_ids.shape[1]), 1)).mean(1)"


def write_tree(root: Path, *, seed: int = 0, pinned: bool = False, before: str = "pass") -> Repository:
    starter, folder = root / "starters" / "words", root / "model_repository" / "words"
    for path in (starter, folder / "1", root / "ensembles"):
        path.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(seed).standard_normal((WORDS, DIMENSIONS), dtype=np.float32)
    save_file({"table": table}, starter / "model.safetensors")
    (folder / "config.pbtxt").write_text(CONFIG)
    pins = {"model.safetensors": sha256_of(starter / "model.safetensors")} if pinned else {}
    (folder / "recipe.py").write_text(RECIPE % {"pins": pins, "before": before})
    return Repository(root)


def contents(root: Path) -> dict[str, bytes]:
    """Everything that conversion may write: artifacts, ledger, lock; and nothing half-made beside them.

    But for the logs, which tell of failures too.
    """
    folder = root / "model_repository" / "words"
    sources = {folder / "recipe.py", folder / "config.pbtxt"}
    files = {
        path for path in folder.rglob("*") if path.is_file() and not {"__pycache__", "logs"} & set(path.parts)
    }
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files - sources)}


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A tree with a proved artifact."""
    repository = write_tree(tmp_path)
    convert(repository, repository.model("words"), "starter")
    assert {"1/model.onnx", "ledger.json", "artifacts.lock"} <= set(contents(tmp_path))
    return tmp_path


def command(root: Path, *arguments: str) -> dict[str, Any]:
    program = "from tritonzoo.cli import app; app(prog_name='tritonzoo')"
    return {"args": [sys.executable, "-c", program, *arguments], "cwd": root, "text": True}


def assert_one_sentence(stderr: str, *parts: str) -> None:
    assert "Traceback" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("error ")]
    assert len(errors) == 1, stderr
    assert stderr.splitlines()[-1] == errors[0]
    for part in parts:
        assert part in errors[0]


def damage_with_nan(root: Path) -> None:
    weights = root / "starters" / "words" / "model.safetensors"
    table = np.random.default_rng(0).standard_normal((WORDS, DIMENSIONS), dtype=np.float32)
    table[WORDS - 1, 7] = np.nan  # of a word that no sample has
    save_file({"table": table}, weights)


def truncate(root: Path) -> None:
    weights = root / "starters" / "words" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def flip_a_bit(root: Path) -> None:
    weights = root / "starters" / "words" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def misspell(old: str, new: str) -> Any:
    def change(root: Path) -> None:
        recipe = root / "model_repository" / "words" / "recipe.py"
        recipe.write_text(recipe.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("pinned", "change", "error", "message"),
    [
        (False, damage_with_nan, ConversionError, "weight table of the source model holds NaN or Inf; its weights are damaged, pull"),
        (False, truncate, ConversionError, r"load\(\) of words/recipe.py fails .SafetensorError: .*not fully covered.*; the weights are damaged, or"),
        (True, truncate, SourceError, "starters/words, file model.safetensors: sha256 is .*, but the recipe pins"),
        (True, flip_a_bit, SourceError, "starters/words, file model.safetensors: sha256 is .*, but the recipe pins"),
        (False, misspell("atol=1e-5", "atoll=1e-5"), RecipeError, r"in words/recipe.py: TypeError: .* 'atoll'"),
        (False, misspell("Recipe(\n", "Recipe((\n"), RecipeError, r"in words/recipe.py: SyntaxError: "),
        (False, misspell("def load", "def laod"), RecipeError, r"in words/recipe.py: an exported model needs load"),
        (False, misspell("input_ids\": Sh", "input_id\": Sh"), RecipeError, "shapes are given for input_id, but config.pbtxt declares the inputs input_ids"),
        (False, misspell("load_file(", "load_fiel("), ConversionError, r"load\(\) of words/recipe.py fails .NameError: name 'load_fiel'"),
        (False, misspell("rng.integers", "rng.integer"), RecipeError, r"samples\(\).*AttributeError: .*'integer'"),
        (False, misspell('yield {"input_ids"', 'yield {"inputs"'), RecipeError, r"samples\(\) yields no input_ids; it must feed every input"),
        (False, misspell("(8, 32)):", "(8, 33)):"), RecipeError, r"input_ids of shape \(8, 33\), which is not between \(1, 1\) and \(8, 32\)"),
        (False, misspell("((3, 5), (1, 1), (8, 32)):", "((3, 5), (1, 5)):"), RecipeError, "always yields 5 in axis 1 of input_ids, which varies from 1 to 32"),
        (False, misspell("self.table[input_ids].mean(1)", BAKED_LENGTH), ConversionError, "artifact fails at input_ids 8x32, where the source model answers .*an extent of the traced sample became a constant"),
    ],
    ids=["NaN", "truncated", "truncated, pinned", "flipped bit", "keyword", "syntax", "load", "input", "name", "samples", "key", "range", "coverage", "baked-in length"],
)  # fmt: skip
def test_a_damaged_source_or_recipe_is_one_sentence(
    tmp_path: Path, pinned: bool, change: Any, error: type[TritonZooError], message: str
) -> None:
    repository = write_tree(tmp_path, pinned=pinned)
    convert(repository, repository.model("words"), "starter")
    before = contents(tmp_path)
    change(tmp_path)

    with pytest.raises(error, match=message) as refusal:
        repository = Repository(tmp_path)
        convert(repository, repository.model("words"), "starter")

    assert "\n" not in str(refusal.value)
    assert contents(tmp_path) == before


def test_the_command_says_it_in_one_line_without_a_traceback(converted: Path) -> None:
    before = contents(converted)
    damage_with_nan(converted)

    run = subprocess.run(
        **command(converted, "convert", "words", "--force"), capture_output=True, check=False
    )

    assert run.returncode == 1
    assert_one_sentence(run.stderr, "words: ", "weight table of the source model holds NaN or Inf")
    assert contents(converted) == before


def test_a_file_that_may_not_grow_leaves_the_previous_artifact(converted: Path) -> None:
    """RLIMIT_FSIZE: the write itself fails half way, as on a full disk, without any privilege."""
    before = contents(converted)
    write_tree(converted, seed=1)
    limit_bytes = 100_000

    run = subprocess.run(
        **command(converted, "convert", "words", "--force"),
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )

    assert run.returncode == 1
    assert_one_sentence(
        run.stderr, "words: ", "cannot write", "File too large", "the previous artifact is untouched"
    )
    assert contents(converted) == before


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    attempt = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mounting a small file system needs root")
def test_a_full_disk_leaves_the_previous_artifact(converted: Path) -> None:
    """The version folder on a file system of 700 kB: the old artifact of 520 kB fits, a second one does not."""
    before = contents(converted)
    write_tree(converted, seed=1)
    version_folder = converted / "model_repository" / "words" / "1"
    on_small_disk = converted / "small"
    shutil.copytree(version_folder, on_small_disk)
    convert_command = command(converted, "convert", "words", "--force")
    script = (
        f"mount -t tmpfs -o size=700k tmpfs {version_folder} && cp {on_small_disk}/* {version_folder}/ || exit 99; "
        f'"$@"; code=$?; ls -A {version_folder} > {converted}/left; '
        f"cmp {version_folder}/model.onnx {on_small_disk}/model.onnx || exit 98; exit $code"
    )

    run = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, "bash", *convert_command["args"]],
        cwd=converted, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 1, run.stderr
    assert_one_sentence(
        run.stderr, "words: ", "cannot write 0.5 MB", "No space left on device", "free some space"
    )
    assert (converted / "left").read_text().split() == sorted(path.name for path in on_small_disk.iterdir())
    shutil.rmtree(on_small_disk)
    assert contents(converted) == before


@pytest.mark.skipif(not can_mount(), reason="mounting a small file system needs root")
def test_a_disk_that_has_room_for_the_artifact_but_not_for_its_proof_leaves_all_as_it_was(
    converted: Path,
) -> None:
    """1/ on a roomy disk, the folder around it on a full one: the new artifact is whole, its ledger cannot be."""
    before = contents(converted)
    write_tree(converted, seed=1)
    folder = converted / "model_repository" / "words"
    saved, left = converted / "saved", converted / "left"
    shutil.copytree(folder, saved)
    convert_command = command(converted, "convert", "words", "--force")
    script = f"""
        mount -t tmpfs -o size=200k tmpfs {folder} && mkdir {folder}/1 && mount --bind {saved}/1 {folder}/1 || exit 99
        (cd {saved} && cp -r config.pbtxt recipe.py ledger.json artifacts.lock logs {folder}/) || exit 98
        dd if=/dev/zero of={folder}/filler bs=1k 2> /dev/null
        "$@"; code=$?
        mkdir {left} && (cd {folder} && rm filler && cp -rL . {left}/) || exit 97
        exit $code
    """

    run = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, "bash", *convert_command["args"]],
        cwd=converted, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 1, run.stderr
    assert_one_sentence(
        run.stderr,
        "words: ",
        "cannot write model.onnx",
        "No space left",
        "the previous artifact is untouched",
    )
    kept = {str(path.relative_to(left)): path.read_bytes() for path in left.rglob("*") if path.is_file()}
    assert {name: data for name, data in kept.items() if name in before} == before
    assert set(kept) - set(before) <= {
        "config.pbtxt",
        "recipe.py",
        "logs/model.onnx.log",
        "logs/model.fused.onnx.log",
    }


@pytest.mark.parametrize("wait", [WAIT_IN_EXPORT, WAIT_IN_COMPARISON], ids=["exporting", "asking the source"])
def test_ctrl_c_in_the_middle_leaves_the_previous_artifact(converted: Path, wait: str) -> None:
    before = contents(converted)
    write_tree(converted, seed=1, before=f"{wait}")
    _mark_by_file(converted)
    process = subprocess.Popen(
        **command(converted, "convert", "words", "--force"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    try:
        _await(converted / "now", process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()

    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert contents(converted) == before


def _mark_by_file(root: Path) -> None:
    """What the source model prints while it is exported is held back, so it makes a file instead."""
    misspell('print("NOW", flush=True)', f'open({str(root / "now")!r}, "w").close()')(root)


def _await(path: Path, process: subprocess.Popen[str], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path.name} did not appear within {timeout_s} s"
        time.sleep(0.05)
