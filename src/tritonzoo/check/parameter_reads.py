"""Which `parameters` a model's code reads, told from its source: text constants, and typed defaults."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import tritonzoo.runtime
from tritonzoo.check.python_source import PythonSource

_READERS = ("parameter", "get")
# Packages that read no parameters, or whose sources are looked at.
_KNOWN_PACKAGES = sys.stdlib_module_names | {"numpy", "tritonzoo", "triton_python_backend_utils"}
_RUNTIME = Path(tritonzoo.runtime.__file__).parent


@dataclass(frozen=True)
class ParameterReads:
    """What a piece of code may read.

    `texts` are all text constants of the source: a name that is not among them is read by nobody. `defaults`
    are those parameters that are read with a default, whose type the text must have.
    """

    texts: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    defaults: dict[str, bool | int | float | str] = field(default_factory=dict)
    is_open: bool = False  # it goes over all parameters, so that any name may be meant

    def may_read(self, name: str) -> bool:
        return (
            self.is_open
            or name in self.texts
            or any(name.startswith(prefix) for prefix in self.prefixes)
            or name.isupper()  # Triton's own, such as EXECUTION_ENV_PATH
        )


def reads_of(*files: Path) -> ParameterReads:
    """What these files and the runtime that they build on may read."""
    return _merged([_runtime_reads(), *map(_reads_of_file, files)])


def reads_of_model(files: Sequence[Path]) -> ParameterReads | None:
    """What a model's own Python files may read; None where code elsewhere may read what it likes."""
    here = {path.stem for path in files} | {path.parent.name for path in files}
    for path in files:
        source = PythonSource.read(path)
        packages = {package for package, _ in source.imports_at_load()}
        if source.error or not packages <= here | _KNOWN_PACKAGES:
            return None
    return reads_of(*files)


@cache
def _runtime_reads() -> ParameterReads:
    """What the installed runtime may read; it does not change while we look."""
    reads = _merged(map(_reads_of_file, sorted(_RUNTIME.rglob("*.py"))))
    return replace(reads, defaults={})  # which of its modules a model uses is not known, so types are not


def _merged(parts: Iterable[ParameterReads]) -> ParameterReads:
    texts: set[str] = set()
    prefixes: set[str] = set()
    defaults: dict[str, bool | int | float | str] = {}
    is_open = False
    for part in parts:
        texts |= part.texts
        prefixes |= part.prefixes
        defaults.update(part.defaults)
        is_open |= part.is_open
    return ParameterReads(frozenset(texts), frozenset(prefixes), defaults, is_open)


def _reads_of_file(path: Path) -> ParameterReads:
    try:
        module = ast.parse(path.read_bytes())
    except SyntaxError:
        return ParameterReads(is_open=True)
    texts = frozenset(
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    # Code outside the runtime that takes the whole map in hand may read any name.
    is_open = _RUNTIME not in path.parents and "parameters" in texts
    return ParameterReads(texts, frozenset(_prefixes(module)), dict(_defaults(module)), is_open)


def _calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node


def _prefixes(module: ast.Module) -> Iterator[str]:
    for name, call in _calls(module):
        if name == "with_prefix" and call.args and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)


def _defaults(module: ast.Module) -> Iterator[tuple[str, bool | int | float | str]]:
    for name, call in _calls(module):
        if name not in _READERS or len(call.args) != 2:
            continue
        key, default = call.args
        if name == "get" and "parameters" not in ast.unparse(call.func):
            continue
        if not isinstance(key, ast.Constant) or not isinstance(default, ast.Constant):
            continue
        if isinstance(key.value, str) and isinstance(default.value, (bool, int, float, str)):
            yield key.value, default.value
