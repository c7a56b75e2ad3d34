"""Serving other precisions: what a profile picks is what answers, and what is not proved is not served."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tritonzoo import Client, ledger
from tritonzoo.convert.artifact import convert
from tritonzoo.convert.parity import run_onnx
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.errors import PreflightError
from tritonzoo.profiles import choose
from tritonzoo.repository import Repository

ROOT = Path(__file__).parents[2]
LETTER = ROOT / "data_samples" / "ensemble_handwriting" / "a_drawn.png"
MODELS = ("handwriting_image", "handwriting", "handwriting_label")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The handwriting pipeline in a tree of its own, in fp32, fp16 and int8."""
    root = tmp_path_factory.mktemp("tree")
    for folder in (
        "backends",
        "starters/handwriting",
        "data_samples/ensemble_handwriting",
        "ensembles/ensemble_handwriting",
    ):
        shutil.copytree(ROOT / folder, root / folder)
    for name in MODELS:
        shutil.copytree(ROOT / "model_repository" / name, root / "model_repository" / name)
    repository = Repository(root)
    convert(repository, repository.model("handwriting"), "starter", ["fp32", "fp16", "int8"])
    return root


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def serve(root: Path, profile: str, **options: object) -> EmbeddedTriton:
    return EmbeddedTriton(ServeOptions(root, Ports.free(), ("ensemble_handwriting",), profile, **options))


@pytest.mark.parametrize("profile", ["cpu-fp32", "cpu-int8", "auto"])
def test_the_profiles_artifact_is_what_answers(tree: Path, profile: str) -> None:
    model = Repository(tree).model("handwriting")
    chosen = choose(model, profile).artifact
    assert chosen == {"cpu-fp32": "model.onnx", "cpu-int8": "model.int8.onnx"}.get(profile, chosen)

    with serve(tree, profile) as triton, Client(triton.grpc_url) as client:
        picture = {"image": LETTER.read_bytes()}
        pixels = client.infer("handwriting_image", picture)
        answer = client.infer("ensemble_handwriting", picture)

    expected = run_onnx(model.version_folder / chosen, ["pixels"], ["probabilities"])(pixels)["probabilities"]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    assert answer["label"].item() == b"a"


def test_auto_serves_the_fastest_that_was_measured(tree: Path) -> None:
    model = Repository(tree).model("handwriting")
    speeds = {
        name: entry.speed.rows_per_s
        for name, entry in ledger.read(model.ledger_path).items()
        if name in ("model.onnx", "model.int8.onnx")
    }

    assert choose(model, "auto").artifact == max(speeds, key=speeds.__getitem__)


def test_a_flipped_byte_is_refused_by_name(tree: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tree, tmp_path / "damaged")
    artifact = root / "model_repository" / "handwriting" / "1" / "model.int8.onnx"
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)

    with pytest.raises(PreflightError, match=r"handwriting: model\.int8\.onnx has other bytes"):
        serve(root, "cpu-int8").start()
    with serve(root, "cpu-fp32") as triton:  # the other artifacts are not concerned
        assert triton.pids


def test_an_artifact_that_was_never_proved_is_refused_unless_asked_for(tree: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tree, tmp_path / "unproved")
    ledger.write(root / "model_repository" / "handwriting" / "ledger.json", {})

    with pytest.raises(PreflightError, match=r"handwriting: model\.onnx has no entry in ledger\.json"):
        serve(root, "cpu-fp32").start()
    with (
        serve(root, "cpu-fp32", allow_unproved=("handwriting",)) as triton,
        Client(triton.grpc_url) as client,
    ):
        assert client.handwriting(LETTER).label == "a"
