"""A Python file looked at without importing it: where its classes, methods and imports stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tritonzoo.runtime

_RUNTIME = Path(tritonzoo.runtime.__file__).parent
OLDEST_PYTHON = (3, 10)  # of NVIDIA's 24.10 image
# What would have to be installed beside Triton, or takes seconds to import.
HEAVY = frozenset(
    "torch torchaudio torchvision transformers sentence_transformers peft "
    "tensorflow keras tf2onnx onnx".split()
)


@dataclass(frozen=True, eq=False)
class PythonSource:
    """A parsed file, or why it does not parse."""

    path: Path
    module: ast.Module | None
    error: SyntaxError | None

    @classmethod
    def read(cls, path: Path) -> PythonSource:
        """Parse a file as the oldest Python that must run it would."""
        try:
            return cls(path, ast.parse(path.read_bytes(), str(path), feature_version=OLDEST_PYTHON), None)
        except SyntaxError as error:
            return cls(path, None, error)
        except ValueError as error:  # null bytes
            return cls(path, None, SyntaxError(str(error)))

    def class_named(self, name: str) -> ast.ClassDef | None:
        """A class that the file defines at its top."""
        body = self.module.body if self.module else []
        return next((node for node in body if isinstance(node, ast.ClassDef) and node.name == name), None)

    def origin_of(self, name: str) -> tuple[str, str]:
        """(module, its name there) of a name that the file imports at its top; empty where it does not."""
        for node in self.module.body if self.module else []:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return node.module or "", alias.name
        return "", ""

    def binds(self, name: str) -> bool:
        """Whether the module has this name for sure, or may have it."""
        if self.module is None:
            return True
        for node in ast.walk(self.module):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                return True
            if isinstance(node, ast.alias) and (node.asname or node.name) in (name, "*"):
                return True
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
                return True
        return False

    def imports_at_load(self) -> Iterator[tuple[str, int]]:
        """(package, line) of each import that runs at load: not in functions, not for types."""
        if self.module is not None:
            yield from _imports(self.module.body)


def _imports(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _imports([*node.body, *node.orelse])
        elif isinstance(node, (ast.With, ast.ClassDef)):
            yield from _imports(node.body)


def is_runtime_model(source: PythonSource, node: ast.ClassDef) -> bool:
    """Whether a class derives from `tritonzoo.runtime.model.PythonModel`, and from nothing else."""
    if source.module is None or len(node.bases) != 1 or not isinstance(node.bases[0], ast.Name):
        return False
    base = node.bases[0].id
    return any(
        isinstance(statement, ast.ImportFrom)
        and statement.module == "tritonzoo.runtime.model"
        and any(
            alias.name == "PythonModel" and (alias.asname or alias.name) == base for alias in statement.names
        )
        for statement in source.module.body
    )


def derives_from(source: PythonSource, node: ast.ClassDef, module: str, name: str) -> bool:
    """Whether a class derives from `name` of `module`, also by way of this file or the runtime."""
    for base in node.bases:
        if not isinstance(base, ast.Name):
            continue
        here = source.class_named(base.id)
        if here is not None:
            if here is not node and derives_from(source, here, module, name):
                return True
            continue
        origin, original = source.origin_of(base.id)
        if (origin, original) == (module, name):
            return True
        path = _RUNTIME.joinpath(*origin.split(".")[2:]).with_suffix(".py")
        if origin.startswith("tritonzoo.runtime.") and path.is_file():
            there = PythonSource.read(path)
            found = there.class_named(original)
            if found is not None and derives_from(there, found, module, name):
                return True
    return False


def method(node: ast.ClassDef, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """A method that the class itself defines."""
    functions = (item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return next((item for item in functions if item.name == name), None)
