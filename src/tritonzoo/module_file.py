"""Import a Python file by its path: a recipe, or the network of a starter."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def load_module(path: Path) -> ModuleType:
    """The module in `path`, freshly executed and not put into `sys.modules`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    module_spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module
