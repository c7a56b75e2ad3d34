"""Which packages a Python model may import: those of the serving image, and those that are installed here."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

_OURS = frozenset({"numpy", "tritonzoo", "triton_python_backend_utils", "c_python_backend_utils"})
_NAMED_OTHERWISE = {  # what is not installed here cannot be asked for its package's name
    "PIL": "pillow", "cv2": "opencv-python-headless", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}  # fmt: skip
_CLOSE = 0.8  # share of letters: numppy is numpy, tokenizer is not tritonzoo
_REQUIREMENTS = Path("base_image") / "requirements.txt"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def may_be_there(root: Path, package: str) -> bool:
    """Whether a server of the tree at `root` may have this package.

    A tree that does not say what its servers have may mean any but one that is nearly the name of another.
    """
    if package in _OURS or package in sys.stdlib_module_names or _is_here(package):
        return True
    path = root / _REQUIREMENTS
    if not path.is_file():
        return not difflib.get_close_matches(package, _OURS, 1, _CLOSE)
    named = _distributions().get(package, [_NAMED_OTHERWISE.get(package, package)])
    return bool({_normal(name) for name in named} & _required(path))


@cache
def _is_here(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _required(path: Path) -> frozenset[str]:
    """The distributions that a file of requirements names."""
    names = (_NAME.match(line.strip()) for line in path.read_text("utf-8", "replace").splitlines())
    return frozenset(_normal(name[0]) for name in names if name is not None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
