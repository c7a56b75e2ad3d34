"""One folder of the tree as the rules see it: read once, tolerant of whatever is wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonclient.grpc import model_config_pb2

from tritonzoo.check.config_source import Unparsed, parse
from tritonzoo.check.finding import Fault, Place
from tritonzoo.check.golden_shapes import recorded_extents
from tritonzoo.check.onnx_header import GraphHeader, UnreadableGraph, read_header
from tritonzoo.check.parameter_reads import ParameterReads, reads_of, reads_of_model
from tritonzoo.check.pbtxt import PbText, Step
from tritonzoo.check.python_source import PythonSource
from tritonzoo.check.recipe_source import RecipeSource
from tritonzoo.repository import Model

if TYPE_CHECKING:
    from tritonzoo.check.tree import Tree

DATA_TYPE = model_config_pb2.DataType
ONNX_BACKEND = "onnxruntime"
_DEFAULT_FILES = {ONNX_BACKEND: "model.onnx", "python": "model.py", "tensorrt": "model.plan"}
_TREES_DEFAULT_FILES = {"tokenizer": "tokenizer.json", "whisper": "model.onnx"}  # of this project's backends


@dataclass(frozen=True, eq=False)
class Folder:
    """A model or an ensemble."""

    model: Model
    tree: Tree

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def path(self) -> Path:
        return self.model.folder

    @property
    def config_path(self) -> Path:
        return self.path / "config.pbtxt"

    # -- config.pbtxt ------------------------------------------------------------------------------------

    @cached_property
    def _parsed(self) -> Any:
        return parse(self.config_path)

    @property
    def unparsed(self) -> Unparsed | None:
        """Why config.pbtxt does not parse; None where it does."""
        return self._parsed if isinstance(self._parsed, Unparsed) else None

    @property
    def is_readable(self) -> bool:
        return self.unparsed is None

    @property
    def config(self) -> Any:
        """The parsed `ModelConfig`; only of a folder that is readable."""
        assert self.is_readable, self.config_path
        return self._parsed

    @property
    def is_ensemble(self) -> bool:
        """Whether Triton takes this for a chain of steps, by either of the two lines that say so."""
        return bool(self.config.platform == "ensemble" or self.config.HasField("ensemble_scheduling"))

    @cached_property
    def text(self) -> PbText:
        """The positions of the config's fields."""
        return PbText.index(self.config_path.read_text("utf-8"))

    def at(self, *path: Step) -> Place:
        """Where config.pbtxt says `path`, or would."""
        found = self.text.at(*path)
        return Place(self.config_path, found.line, found.column)

    def fault(self, message: str, remedy: str, *path: Step) -> Fault:
        """A fault of config.pbtxt, at a path in it."""
        return Fault(self.at(*path), message, remedy)

    # -- tensors -----------------------------------------------------------------------------------------

    @property
    def batches(self) -> bool:
        """Whether axis 0 of every tensor is the batch."""
        return bool(self.config.max_batch_size > 0)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        return {tensor.name: tensor for tensor in self.config.input}

    @cached_property
    def outputs(self) -> dict[str, Any]:
        return {tensor.name: tensor for tensor in self.config.output}

    def computed_dims(self, tensor: Any) -> tuple[int, ...]:
        """A tensor's extents as the model itself sees them: reshaped, where the configuration says so."""
        dims = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        return (*((-1,) if self.batches else ()), *dims)

    def full_dims(self, tensor: Any) -> tuple[int, ...]:
        """A tensor's extents as they travel: the batch first where the model batches; -1 for any."""
        return (*((-1,) if self.batches else ()), *tensor.dims)

    def parameter(self, key: str) -> str:
        return self.model.parameter(key) if self.is_readable else ""

    # -- files -------------------------------------------------------------------------------------------

    @property
    def main_file(self) -> str:
        """The file of the version folder that the backend loads; empty where none is known of."""
        backend = "" if self.is_ensemble else self.config.backend
        default = _DEFAULT_FILES.get(backend, "")
        if backend in self.tree.backends:
            default = default or _TREES_DEFAULT_FILES.get(backend, "")
        return str(self.config.default_model_filename or default)

    @cached_property
    def version_names(self) -> tuple[str, ...]:
        """The folders whose name is a number: `1`, but also `01`, which Triton does not look into."""
        return tuple(
            sorted(path.name for path in self.path.iterdir() if path.is_dir() and path.name.isdecimal())
        )

    @property
    def versions(self) -> tuple[int, ...]:
        """The version folders that Triton finds."""
        return tuple(sorted(int(name) for name in self.version_names if str(int(name)) == name))

    @property
    def served_versions(self) -> tuple[int, ...]:
        """Those that it loads, by the version policy: the latest, where there is none."""
        policy = self.config.version_policy
        if policy.HasField("all"):
            return self.versions
        if policy.HasField("specific"):
            return tuple(version for version in self.versions if version in policy.specific.versions)
        latest = policy.latest.num_versions if policy.HasField("latest") else 1
        return self.versions[len(self.versions) - min(latest, len(self.versions)) :]

    @cached_property
    def source(self) -> PythonSource | None:
        """1/model.py of a model of the Python backend; None where there is none."""
        path = self.model.version_folder / (self.main_file or "model.py")
        return PythonSource.read(path) if path.is_file() else None

    @cached_property
    def parameter_reads(self) -> ParameterReads | None:
        """Which parameters the code that runs this model may read; None where that cannot be told."""
        backend = self.config.backend
        if backend in self.tree.backends:
            return reads_of(*sorted(self.tree.backends[backend].glob("*.py")))
        if backend != "python" or self.source is None:
            return None
        return reads_of_model(sorted({*self.model.version_folder.rglob("*.py"), *self.path.glob("*.py")}))

    @cached_property
    def recipe(self) -> RecipeSource | None:
        """recipe.py; None where there is none."""
        return RecipeSource(self.model) if self.model.has_recipe else None

    @cached_property
    def graphs(self) -> dict[Path, GraphHeader | UnreadableGraph]:
        """The ONNX files that a profile may serve in this model's place, by path."""
        if self.config.backend != ONNX_BACKEND:
            return {}
        named = {self.model.version_folder / self.main_file, *self.model.version_folder.glob("model*.onnx")}
        return {path: read_header(path) for path in sorted(named) if path.is_file()}

    def graph_extent(self, output: str, axis: int) -> int | None:
        """An output's extent on an axis (-1: the last) by its graph or golden.npz; None where it varies."""
        header = self.graphs.get(self.model.version_folder / self.main_file)
        if not isinstance(header, GraphHeader) or output not in header.outputs:
            # golden.npz keeps rows one behind the other, so only a batching model's axes are its own
            recorded = recorded_extents(self.path / "golden.npz", output, axis) if self.batches else set()
            return recorded.pop() if len(recorded) == 1 else None
        extents = header.outputs[output].extents or ()
        found = extents[axis] if len(extents) >= -axis else None
        return found if isinstance(found, int) else None


def type_name(data_type: int) -> str:
    """Triton's name of a data type: TYPE_FP32."""
    return str(DATA_TYPE.Name(data_type))


def fit(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether two shapes can be one: the same rank, and on each axis the same extent or any."""
    return len(first) == len(second) and all(
        one == other or -1 in (one, other) for one, other in zip(first, second, strict=True)
    )
