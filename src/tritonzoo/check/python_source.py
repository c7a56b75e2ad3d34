"""A Python file looked at without importing it: where its classes, methods and imports stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tritonzoo.runtime

_RUNTIME = Path(tritonzoo.runtime.__file__).parent
MODEL_CLASS = "TritonPythonModel"
OLDEST_PYTHON = (3, 10)  # of NVIDIA's 24.10 image
# What would have to be installed beside Triton, or takes seconds to import.
HEAVY = frozenset(
    "torch torchaudio torchvision transformers sentence_transformers peft "
    "tensorflow keras tf2onnx onnx jax flax".split()
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


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
        except OSError as error:
            return cls(path, None, SyntaxError(f"cannot be read ({error.strerror})"))
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
        return self.module is None or _binds(self.module.body, name)

    def imports_at_load(self) -> Iterator[tuple[str, int]]:
        """(package, line) of each import that runs at load: not in functions, not for types."""
        return self._imports()

    def imports_needed(self) -> Iterator[tuple[str, int]]:
        """(package, line) of each import without which the file does not load: none within a `try`."""
        return self._imports(in_try=False)

    def imports_anywhere(self) -> Iterator[tuple[str, int]]:
        """(package, line) of each import, also those in functions; not for types."""
        return self._imports(in_functions=True)

    def _imports(self, *, in_try: bool = True, in_functions: bool = False) -> Iterator[tuple[str, int]]:
        if self.module is not None:
            yield from _imports(self.module.body, in_try=in_try, in_functions=in_functions)


def _imports(body: list[ast.stmt], *, in_try: bool, in_functions: bool) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imports(node.orelse, in_try=in_try, in_functions=in_functions)
        elif isinstance(node, _FUNCTIONS) and not in_functions:
            continue
        elif in_try or not isinstance(node, ast.Try):
            for inner in _bodies(node):
                yield from _imports(inner, in_try=in_try, in_functions=in_functions)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield handler.body


def _binds(body: list[ast.stmt], name: str) -> bool:
    """Whether statements, run at a file's top, give a name a value."""
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            if node.name == name:
                return True
            continue
        blocks = list(_bodies(node))
        if any(_binds(block, name) for block in blocks):
            return True
        inside = {id(child) for block in blocks for statement in block for child in ast.walk(statement)}
        for child in ast.walk(node):
            if id(child) in inside:
                continue
            if isinstance(child, ast.alias) and (child.asname or child.name.partition(".")[0]) in (name, "*"):
                return True
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store) and child.id == name:
                return True
    return False


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
    functions = (item for item in node.body if isinstance(item, _FUNCTIONS))
    return next((item for item in functions if item.name == name), None)
