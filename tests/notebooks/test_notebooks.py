"""Every notebook, run from the top in a fresh kernel, does without an error what its kept outputs show."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install 'tritonzoo[notebooks]'")
nbclient = pytest.importorskip("nbclient", reason="pip install 'tritonzoo[notebooks]'")

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
PLOTS = {"text_classifier": 2, "image_classifier": 3, "speech_encoder": 2, "keras_model": 3}
NEEDS = dict.fromkeys(PLOTS, "torch") | {"keras_model": "tensorflow"}

needs_server = pytest.mark.server


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def outputs(notebook: Any, kind: str) -> list[str]:
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def printed(notebook: Any, stream: str) -> str:
    return "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == stream
    )


def test_every_notebook_is_known_here_and_told_in_the_readme() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(PLOTS)
    readme = (FOLDER / "README.md").read_text()
    assert all(f"({name}.ipynb)" in readme for name in PLOTS)


@pytest.mark.parametrize("name", PLOTS)
def test_what_is_kept_was_run_in_order_without_an_error_and_names_no_machine(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {output["output_type"] for cell in notebook.cells for output in cell.get("outputs", [])}
    assert "error" not in kinds
    assert printed(notebook, "stderr") == ""
    assert len(outputs(notebook, "image/png")) == PLOTS[name]
    text = (FOLDER / f"{name}.ipynb").read_text()
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


@needs_server
@pytest.mark.parametrize("name", PLOTS)
def test_it_runs_from_the_top_draws_every_plot_and_leaves_the_clone_as_it_was(name: str) -> None:
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not in this environment; `make test-keras` has TensorFlow")
    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    before = untracked()
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    client.execute(env={**os.environ, "PATH": path})  # `tritonzoo` in a cell is this environment's
    assert printed(notebook, "stderr") == ""
    assert "nothing wrong" in printed(notebook, "stdout")  # tritonzoo check
    pictures = outputs(notebook, "image/png")
    assert len(pictures) == PLOTS[name]
    for picture in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
        assert pixels.std() > 5, "a plot with nothing in it"
    assert untracked() == before


def untracked() -> str:
    command = [
        "git",
        "status",
        "--porcelain",
        "--ignored",
        "--",
        "model_repository",
        "ensembles",
        "starters",
        "notebooks",
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
