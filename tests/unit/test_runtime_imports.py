"""What runs inside Triton imports with NumPy and small codecs alone, and is Python 3.10."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = sorted((ROOT / "src" / "tritonzoo" / "runtime").rglob("*.py"))
BACKENDS = sorted((ROOT / "backends").glob("*/*.py"))
PYTHON_MODELS = sorted(ROOT.glob("model_repository/*/1/model.py")) + sorted(
    ROOT.glob("ensembles/*/1/model.py")
)

IMPORT_WITH_LITTLE = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"tritonzoo", "numpy", "PIL"}:
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def test_the_runtime_imports_with_numpy_and_pillow_alone() -> None:
    modules = [
        "tritonzoo.runtime",
        *(
            f"tritonzoo.runtime.{path.stem}"
            for path in RUNTIME
            if path.stem[0] != "_" and path.parent.name == "runtime"
        ),
    ]
    assert "tritonzoo.runtime.model" in modules
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_LITTLE, *modules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path", [*RUNTIME, *BACKENDS, *PYTHON_MODELS], ids=lambda path: str(path.relative_to(ROOT))
)
def test_what_runs_inside_triton_is_python_3_10_and_leaves_torch_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & {"torch", "transformers"}
    # New in 3.11, and the parser alone does not notice.
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | imported
    assert not used & {"tomllib", "StrEnum", "TaskGroup", "add_note", "UTC"}
