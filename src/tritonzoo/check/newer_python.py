"""What the standard library has since Python 3.11, and the 3.10 of NVIDIA's 24.10 image has not.

Source: "What's New In Python 3.11" (https://docs.python.org/3/whatsnew/3.11.html).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_MODULES = frozenset({"tomllib", "wsgiref.types"})
_NAMES = {
    "asyncio": "Barrier BrokenBarrierError Runner TaskGroup timeout timeout_at Timeout",
    "contextlib": "chdir",
    "datetime": "UTC",
    "enum": "EnumCheck FlagBoundary ReprEnum StrEnum global_enum member nonmember property verify",
    "hashlib": "file_digest",
    "inspect": "getmembers_static ismethodwrapper",
    "logging": "getLevelNamesMapping",
    "math": "cbrt exp2",
    "operator": "call",
    "typing": "LiteralString Never NotRequired Required Self TypeVarTuple Unpack assert_never assert_type "
    "clear_overloads dataclass_transform get_overloads reveal_type",
}
_NEWER = {module: frozenset(names.split()) for module, names in _NAMES.items()}


def newer_names(module: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of what a file takes from the standard library and Python 3.10 does not have."""
    imported: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names if alias.asname is None}
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in _MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module in _MODULES:
                yield node.module, node.lineno
            for alias in node.names:
                if alias.name in _NEWER.get(node.module, ()):
                    yield f"{node.module}.{alias.name}", node.lineno
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in imported and node.attr in _NEWER.get(name, ()):
                yield f"{name}.{node.attr}", node.lineno
