"""Rules about what a Python model imports."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from tritonzoo.check.finding import Fault, Place, Severity
from tritonzoo.check.folder import Folder
from tritonzoo.check.newer_python import newer_names
from tritonzoo.check.python_source import HEAVY, PythonSource
from tritonzoo.check.rule import rule
from tritonzoo.check.rules.python import python_models
from tritonzoo.check.server_packages import may_be_there

_SERVED = ("runtime", "errors")  # of our package: what an image for serving can run


def _source(folder: Folder) -> PythonSource:
    assert folder.source is not None
    return folder.source


@rule(on=python_models)
def python_newer(folder: Folder) -> Iterator[Fault]:
    """A Python model takes nothing from the standard library that Python 3.10 does not have."""
    source = _source(folder)
    if source.module is None or _has_own_environment(folder):
        return
    for name, line in newer_names(source.module):
        yield Fault(
            Place(source.path, line),
            f"takes {name}, which came with Python 3.11; NVIDIA's 24.10 image has 3.10",
            "do without it, or name an environment of the model's own in EXECUTION_ENV_PATH",
        )


@rule(on=python_models, severity=Severity.WARNING)
def python_import_unknown(folder: Folder) -> Iterator[Fault]:
    """What a Python model imports is beside it, in the standard library, or among the server's packages.

    Those are the packages of base_image/requirements.txt, and what is installed here. In a tree without that
    file only what is nearly the name of something else is told.
    """
    source = _source(folder)
    if _has_own_environment(folder):
        return
    # Triton puts both folders on the path: the model's own and the version's.
    places = (*folder.path.iterdir(), *folder.model.version_folder.iterdir())
    beside = {path.name.partition(".")[0] for path in places}
    for package, line in source.imports_needed():
        if package not in beside and package not in HEAVY and not may_be_there(folder.tree.root, package):
            close = difflib.get_close_matches(package, sorted({*beside, "numpy", "tritonzoo"}), 1)
            yield Fault(
                Place(source.path, line),
                f"imports {package}, which is neither beside it nor among the server's packages",
                f"did you mean {close[0]}?"
                if close
                else "add the file, install the package in the serving image, or correct the name",
            )


def _has_own_environment(folder: Folder) -> bool:
    return bool(folder.parameter("EXECUTION_ENV_PATH"))


@rule(on=python_models, severity=Severity.WARNING)
def python_heavy_import(folder: Folder) -> Iterator[Fault]:
    """A Python model imports no training framework.

    The serving image has none, and one costs 200 MB and seconds in each instance. Export the network and let
    an ensemble call it. Nor does it import of this package what is not for serving.
    """
    source = _source(folder)
    for package, line in source.imports_anywhere():
        if package in HEAVY:
            yield Fault(
                Place(source.path, line),
                f"imports {package}, which no server of the tree has",
                "export the network to ONNX, and compute the rest with NumPy",
            )
    for node in ast.walk(source.module) if source.module is not None else ():
        if not isinstance(node, ast.ImportFrom) or node.level:
            continue
        module = node.module or ""
        if module.startswith("tritonzoo.") and module.split(".")[1] not in _SERVED:
            yield Fault(
                Place(source.path, node.lineno),
                f"imports {module}, which is for the work before serving",
                "import from tritonzoo.runtime alone",
            )
