"""A small sound tree in a temporary folder, for tests to break."""

from __future__ import annotations

from pathlib import Path

MEMBER = """# Double a number.
backend: "python"
max_batch_size: 8

input  [{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }]  # numbers
output [{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] }]  # numbers, doubled

dynamic_batching {}
"""
ENSEMBLE = """# Quadruple a number.
platform: "ensemble"
max_batch_size: 8

input  [{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }]  # numbers
output [{ name: "z" data_type: TYPE_FP32 dims: [ 4 ] }]  # numbers, four times as large

ensemble_scheduling {
  step [
    { model_name: "double" model_version: -1
      input_map { key: "x" value: "x" } output_map { key: "y" value: "twice" } },
    { model_name: "double_again" model_version: -1
      input_map { key: "x" value: "twice" } output_map { key: "y" value: "z" } }
  ]
}
"""


CODE = """class TritonPythonModel:
    def execute(self, requests): ...
"""


def write_model(folder: Path, config: str, code: str = CODE) -> Path:
    """A model folder with its version folder; no code for an ensemble."""
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    if "ensemble" not in config.partition("\n")[2].partition("\n")[0]:
        (folder / "1" / "model.py").write_text(code)
    return folder


def sound_tree(root: Path) -> Path:
    """Two Python models and the ensemble that runs one after the other."""
    write_model(root / "model_repository" / "double", MEMBER)
    write_model(root / "model_repository" / "double_again", MEMBER)
    write_model(root / "ensembles" / "quadruple", ENSEMBLE)
    return root
