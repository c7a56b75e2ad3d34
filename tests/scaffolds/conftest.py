"""One tree with every scaffold in it, by default answers and by odd ones."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tritonzoo.repository import Repository
from tritonzoo.scaffold import new

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Made:
    """A scaffold and the answers that it is made of."""

    kind: str
    name: str
    answers: dict[str, str] = field(default_factory=dict)


MADE = (
    Made("python_model", "my_model"),
    Made("python_model", "two_texts_2", {"inputs": "left, right", "title": "Two texts to one score."}),
    Made("python_model", "numbers0", {"kind": "numbers", "max_batch_size": "0"}),
    Made("python_model", "scores_of_classes", {"kind": "numbers", "inputs": "probabilities"}),
    Made("python_model", "pictures_1", {"kind": "image", "inputs": "front,back", "max_batch_size": "1"}),
    Made("python_model", "picture", {"kind": "image", "max_batch_size": "0"}),
    Made("exported_model", "my_classifier"),
    Made("exported_model", "two_pictures_4x4", {
        "kind": "image", "inputs": "left,right", "size": "4", "classes": "5", "max_batch_size": "1"}),
    Made("exported_model", "three_unbatched", {"inputs": "a,b,c", "max_batch_size": "0", "classes": "2"}),
    Made("backend", "my_backend"),
    Made("backend", "softmax_0", {"max_batch_size": "0", "example": "levelled_2"}),
    Made("ensemble", "ensemble_mine"),
    Made("ensemble", "ensemble_2_steps", {"members": "my_classifier, scores_of_classes"}),
    Made("ensemble", "ensemble_of_one", {"members": "numbers0"}),
)  # fmt: skip


@pytest.fixture(scope="session")
def scaffolded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the tree; the members of the ensemble's default are this project's own, without artifacts."""
    pytest.importorskip("cookiecutter", reason="pip install 'tritonzoo[new]'")
    pytest.importorskip("torch", reason="the exported model's starter is trained with PyTorch")
    root = tmp_path_factory.mktemp("scaffolded")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what the hooks train is small
    (root / "ensembles").mkdir()
    shutil.copytree(ROOT / "backends", root / "backends", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("sentiment_tokenizer", "sentiment", "sentiment_label"):
        folder = root / "model_repository" / name
        (folder / "1").mkdir(parents=True)
        for file in ("config.pbtxt", "recipe.py", "labels.txt"):
            if (ROOT / "model_repository" / name / file).is_file():
                shutil.copy(ROOT / "model_repository" / name / file, folder / file)
    (root / "starters").mkdir()
    (root / "starters" / "sentiment").symlink_to(ROOT / "starters" / "sentiment")
    for made in MADE:
        files = new(Repository(root), made.kind, made.name, made.answers)
        assert files, made
    return root
