"""A recipe.py: what it declares, why it does not load, and in which line it says what."""

from __future__ import annotations

import ast
import traceback
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.python_source import HEAVY, PythonSource
from tritonzoo.errors import RecipeError
from tritonzoo.recipe import Recipe
from tritonzoo.repository import Model


@dataclass(frozen=True, eq=False)
class RecipeSource:
    """The recipe of one model folder."""

    model: Model

    @cached_property
    def source(self) -> PythonSource:
        return PythonSource.read(self.model.folder / "recipe.py")

    @property
    def heavy_imports(self) -> tuple[tuple[str, int], ...]:
        """(package, line) of imports that a recipe must leave to its functions."""
        return tuple(found for found in self.source.imports_at_load() if found[0] in HEAVY)

    @cached_property
    def _loaded(self) -> ModuleType | RecipeError | None:
        if self.heavy_imports:  # importing it would take seconds, or fail for want of the package
            return None
        try:
            return self.model.recipe_module
        except RecipeError as error:
            return error

    @property
    def module(self) -> ModuleType | None:
        """The imported file; None where it cannot be imported."""
        return self._loaded if isinstance(self._loaded, ModuleType) else None

    @property
    def recipe(self) -> Recipe | None:
        return self.module.recipe if self.module else None

    @property
    def failure(self) -> tuple[str, int] | None:
        """Why importing it fails, and the line of the file in which it does."""
        error = self._loaded
        if not isinstance(error, RecipeError):
            return None
        cause = error.__cause__
        if isinstance(cause, SyntaxError) and cause.filename == str(self.source.path):
            return f"does not parse: {cause.msg}", cause.lineno or 1
        if cause is None:
            return "does not define `recipe = Recipe(...)` at module level", 1
        frames = traceback.extract_tb(cause.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(self.source.path)]
        kind = "" if isinstance(cause, RecipeError) else f"{type(cause).__name__}: "
        return f"does not load: {kind}{cause}", (lines[-1] or 1) if lines else 1

    def at(self, *path: str) -> Place:
        """Where the file gives `Recipe` an argument, or a key of one: `at("shapes", "input_ids")`."""
        node: ast.AST | None = self._call
        line, column = (node.lineno, node.col_offset + 1) if isinstance(node, ast.Call) else (1, 1)
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line, column = getattr(node, "lineno", line), getattr(node, "col_offset", column - 1) + 1
            node = node.value if isinstance(node, ast.keyword) else node
        return Place(self.source.path, line, column)

    def fault(self, message: str, remedy: str, *path: str) -> Fault:
        """A fault of the recipe, at an argument of its `Recipe(...)`."""
        return Fault(self.at(*path), message, remedy)

    @cached_property
    def _call(self) -> ast.Call | None:
        for node in self.source.module.body if self.source.module else []:
            targets = [*getattr(node, "targets", []), getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == "recipe" for target in targets):
                value = getattr(node, "value", None)
                return value if isinstance(value, ast.Call) else None
        return None


def _child(node: ast.AST | None, step: str) -> ast.AST | None:
    """The keyword of a call, or the key of a dictionary, that is called `step`."""
    if isinstance(node, ast.Call):
        return next((keyword for keyword in node.keywords if keyword.arg == step), None)
    if isinstance(node, ast.Dict):
        keys = (key for key in node.keys if isinstance(key, ast.Constant))
        return next((key for key in keys if key.value == step), None)
    return None
