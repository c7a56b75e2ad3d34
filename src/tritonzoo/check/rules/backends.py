"""Rules about the tree's own backends: a fault in one stops every model of it."""

from __future__ import annotations

from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.python_source import HEAVY, MODEL_CLASS, PythonSource
from tritonzoo.check.rule import tree_rule
from tritonzoo.check.tree import Tree


def _sources(tree: Tree) -> Iterator[PythonSource]:
    for folder in tree.backends.values():
        for path in sorted(folder.glob("*.py")):
            yield PythonSource.read(path)


@tree_rule()
def backend_syntax(tree: Tree) -> Iterator[Fault]:
    """Every Python file of a backend parses, on Python 3.10 too."""
    for source in _sources(tree):
        if source.error is not None:
            yield Fault(
                Place(source.path, source.error.lineno or 1, source.error.offset or 1),
                f"does not parse: {source.error.msg}",
                "correct it; it must run on Python 3.10",
            )


@tree_rule()
def backend_class(tree: Tree) -> Iterator[Fault]:
    """A backend's model.py defines `TritonPythonModel`."""
    for source in _sources(tree):
        if source.path.name == "model.py" and not source.binds(MODEL_CLASS):
            yield Fault(
                Place(source.path, 1, 1),
                f"defines no class {MODEL_CLASS}, so that no model of {source.path.parent.name} loads",
                f"write class {MODEL_CLASS}(PythonModel); backends/README.md shows one",
            )


@tree_rule(severity=Severity.WARNING)
def backend_heavy_import(tree: Tree) -> Iterator[Fault]:
    """A backend imports no training framework."""
    for source in _sources(tree):
        for package, line in source.imports_anywhere():
            if package in HEAVY:
                yield Fault(
                    Place(source.path, line),
                    f"imports {package}, which no server of the tree has",
                    "compute it with NumPy, or in an exported graph",
                )
