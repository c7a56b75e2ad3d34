"""The tree on disk: a folder becomes a `Model`. The only module that knows where things lie.

    <root>/model_repository/<model>/   config.pbtxt  recipe.py  1/<artifacts>  artifacts.lock  ledger.json
    <root>/ensembles/<pipeline>/       config.pbtxt  1/.gitkeep

Folders are found, never registered, and a folder's name is the model's name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import RecipeError, RepositoryError
from tritonzoo.module_file import load_module
from tritonzoo.recipe import Recipe

if TYPE_CHECKING:
    from google.protobuf.message import Message

PIPELINES = "ensembles"
MODEL_REPOSITORIES = ("model_repository", PIPELINES)  # in the order in which Triton is given them
VERSION = "1"
ROOT_VARIABLE = "TRITONZOO_ROOT"
ONLY = "model"  # what a graph's files are called after, where a model has one graph or this is its main one


@dataclass(frozen=True)
class Model:
    """One folder: a model that Triton loads, or an ensemble of such models."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def version_folder(self) -> Path:
        return self.folder / VERSION

    @cached_property
    def config(self) -> Message:
        """The parsed `config.pbtxt`: Triton's own `ModelConfig` message."""
        return parse_config(self.folder / "config.pbtxt")

    @property
    def is_ensemble(self) -> bool:
        return bool(self.config.platform == "ensemble")

    @property
    def is_pipeline(self) -> bool:
        """Whether clients call it: it lies in `ensembles/`, wired in its config.pbtxt or in Python."""
        return self.folder.parent.name == PIPELINES

    @property
    def answers_once(self) -> bool:
        """Whether a request has one answer and stands by itself: no stream of answers, no caller's sequence.

        An iterative sequence is Triton's own: each request is one.
        """
        config, batching = self.config, self.config.sequence_batching
        is_sequence = config.HasField("sequence_batching") and not batching.iterative_sequence
        return not config.model_transaction_policy.decoupled and not is_sequence

    @property
    def members(self) -> tuple[str, ...]:
        """The models that it calls, in order, each once.

        Those that an ensemble's steps name; for a pipeline in Python those of its parameter `calls`.
        """
        steps = [step.model_name for step in self.config.ensemble_scheduling.step]
        calls = [name.strip() for name in self.parameter("calls").split(",")]
        return tuple(dict.fromkeys(filter(None, (*steps, *calls))))

    @property
    def title(self) -> str:
        """What the model does: the comment that opens its `config.pbtxt`."""
        first_line = (self.folder / "config.pbtxt").read_text("utf-8").partition("\n")[0]
        return first_line.lstrip("# ").rstrip(".") if first_line.startswith("#") else ""

    def parameter(self, key: str, default: str = "") -> str:
        """A string of the configuration's `parameters`."""
        parameters = self.config.parameters
        return str(parameters[key].string_value) if key in parameters else default

    # -- recipe and artifacts ---------------------------------------------------------------------

    @property
    def has_recipe(self) -> bool:
        return (self.folder / "recipe.py").is_file()

    @cached_property
    def recipe_module(self) -> ModuleType:
        """The folder's `recipe.py`, imported: `recipe`, and for an exported model `load` and `samples`."""
        path = self.folder / "recipe.py"
        try:
            module = load_module(path)
        except FileNotFoundError:
            raise RecipeError(f"{path}: not found; a model with artifacts needs a recipe.py") from None
        except (Exception, SystemExit) as error:
            raise RecipeError(f"in {self.name}/recipe.py: {type(error).__name__}: {error}") from error
        if not isinstance(getattr(module, "recipe", None), Recipe):
            raise RecipeError(f"in {self.name}/recipe.py: define `recipe = Recipe(...)` at module level")
        return module

    @property
    def recipe(self) -> Recipe:
        recipe: Recipe = self.recipe_module.recipe
        return recipe

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The files of the version folder that `pull` and `convert` make; none for a hand-written model."""
        if not self.has_recipe:
            return ()
        main = self.config.default_model_filename or onnx_name("fp32")
        graphs = self.graph_files(main) if self.recipe.is_exported else ()
        return (*graphs, *self.recipe.files)

    @property
    def graphs(self) -> tuple[str, ...]:
        """What the files of its graphs are called after, the main one first; none if nothing is exported."""
        if not self.has_recipe or not self.recipe.is_exported:
            return ()
        return tuple(self.recipe.graphs) or (ONLY,)

    def graph_files(self, main: str) -> tuple[str, ...]:
        """The ONNX files that are served together with `main`: of its precision, or float32 if that is all.

        A graph with nothing to fuse has no fused form, for instance; `cross.onnx` then goes with
        `model.fused.onnx`.
        """
        suffix = main.removeprefix(ONLY)
        chosen = [main]
        for name in self.graphs:
            if name != ONLY:
                is_there = (self.version_folder / f"{name}{suffix}").is_file()
                chosen.append(f"{name}{suffix}" if is_there else onnx_name("fp32", name))
        return tuple(chosen)

    @property
    def present_artifacts(self) -> tuple[Path, ...]:
        """What was made and is there now, at every precision, served by default or not."""
        made = {self.version_folder / name for name in self.artifacts}
        made |= {
            path
            for name in self.graphs
            for pattern in (f"{name}*.onnx", f"{name}*.plan")
            for path in self.version_folder.glob(pattern)
        }
        return tuple(sorted(path for path in made if path.is_file()))

    @property
    def lock_path(self) -> Path:
        """What was built: sources, sizes and digests. Written last, so its presence means all is whole."""
        return self.folder / "artifacts.lock"

    @property
    def ledger_path(self) -> Path:
        """How far each artifact's answers are from the source model's."""
        return self.folder / "ledger.json"

    def missing_artifacts(self) -> tuple[Path, ...]:
        """Artifacts that are not there or whose size is not the locked one (an interrupted copy)."""
        from tritonzoo.lock import Lock

        if not self.artifacts:
            return ()
        lock = Lock.read(self.lock_path)
        return tuple(
            self.version_folder / name
            for name in self.artifacts
            if not lock.has_file(self.version_folder / name, relative_to=self.folder)
        )


@dataclass(frozen=True)
class Repository:
    """A whole tree: every model and ensemble below one root."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The tree around `start` (default: the current folder), or that of $TRITONZOO_ROOT."""
        named = os.environ.get(ROOT_VARIABLE)
        folder = Path(named) if named and start is None else (start or Path.cwd())
        for candidate in (folder.resolve(), *folder.resolve().parents):
            if all((candidate / name).is_dir() for name in MODEL_REPOSITORIES):
                return cls(candidate)
        raise RepositoryError(
            f"{folder}: no tritonzoo tree here or above (a folder with {' and '.join(MODEL_REPOSITORIES)}); "
            f"change into one, or set {ROOT_VARIABLE}"
        )

    @cached_property
    def models(self) -> dict[str, Model]:
        """Every model and ensemble by name, sorted; a name in both repositories is refused."""
        found: dict[str, Model] = {}
        for folder in self._folders():
            if folder.name in found:
                raise RepositoryError(f"{folder}: {found[folder.name].folder} has the same name; rename one")
            found[folder.name] = Model(folder)
        return dict(sorted(found.items()))

    def _folders(self) -> Iterator[Path]:
        for repository in MODEL_REPOSITORIES:
            for folder in sorted((self.root / repository).iterdir()):
                if (folder / "config.pbtxt").is_file():
                    yield folder

    @property
    def pipelines(self) -> dict[str, Model]:
        """What a client calls for one answer."""
        return {
            name: model for name, model in self.models.items() if model.is_pipeline and model.answers_once
        }

    @property
    def streams(self) -> dict[str, Model]:
        """What a client calls in sequences, or for answers that come one after another."""
        return {
            name: model for name, model in self.models.items() if model.is_pipeline and not model.answers_once
        }

    def model(self, name: str) -> Model:
        """One model by name; an unknown name lists those that there are."""
        if name not in self.models:
            raise RepositoryError(f"no model {name!r}; there are: {', '.join(self.models)}")
        return self.models[name]

    def closure(self, names: Iterable[str] = ()) -> tuple[Model, ...]:
        """The named models with all that they need, members before the ensembles; no names: everything."""
        ordered: dict[str, Model] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise RepositoryError(f"ensembles form a circle: {' -> '.join((*path, name))}")
            model = self.model(name)
            for member in model.members:
                visit(member, (*path, name))
            ordered.setdefault(name, model)

        for name in tuple(names) or tuple(self.models):
            visit(name, ())
        return tuple(ordered.values())


def onnx_name(precision: str, graph: str = ONLY) -> str:
    """The file of the version folder that holds a graph at one precision; fp32 is Triton's default name."""
    return f"{graph}.onnx" if precision == "fp32" else f"{graph}.{precision}.onnx"


def precision_of(artifact: str) -> str:
    """The precision whose tolerance an ONNX file is held to, by its name: a fused graph is still float32."""
    kind = artifact.removesuffix(".onnx").partition(".")[2]
    return {"": "fp32", "fused": "fp32", "qdq": "int8"}.get(kind, kind)


def parse_config(path: Path) -> Message:
    """`config.pbtxt` as Triton's `ModelConfig`.

    Raises:
        RepositoryError: the file is absent or not valid; the message has file, line and column.
    """
    try:
        return text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
    except FileNotFoundError:
        raise RepositoryError(f"{path}: not found; every model folder needs a config.pbtxt") from None
    except text_format.ParseError as error:
        position = re.match(r"(\d+):(\d+) : (.*)", str(error), re.DOTALL)
        where = f"{path}:{position[1]}:{position[2]}" if position else str(path)
        raise RepositoryError(f"{where}: {position[3] if position else error}") from error
