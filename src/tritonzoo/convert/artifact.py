"""`tritonzoo convert`: a model folder's ONNX artifacts, each made, measured and only then put in place.

From the source model comes `model.onnx`, plain operators that every runtime reads; from that the others:
`model.fused.onnx` (for our ONNX Runtime backend), `model.fp16.onnx`, `model.int8.onnx` (for a CPU) and
`model.qdq.onnx` (int8 for TensorRT).
"""

from __future__ import annotations

import functools
import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonzoo import ledger
from tritonzoo.convert import derived
from tritonzoo.convert.declared import declared_by
from tritonzoo.convert.exported import reason_of
from tritonzoo.convert.onnx import ToOnnx, reference_run
from tritonzoo.convert.parity import Parity, Reference, run_onnx
from tritonzoo.convert.sample_coverage import require_coverage
from tritonzoo.convert.speed import measure_speed
from tritonzoo.errors import ConversionError, RecipeError, TritonZooError
from tritonzoo.lock import sha256_of
from tritonzoo.pull import is_proved, lock_artifacts, pull
from tritonzoo.recipe import Tolerance
from tritonzoo.repository import Model, Repository, onnx_name

if TYPE_CHECKING:
    import torch

    from tritonzoo.recipe import Sample

SAMPLES_SEED = 20_240_511  # one fixed draw of samples(), so that two conversions measure the same thing
KINDS = ("fp32", "fp16", "int8", "qdq")
_LIBRARIES = ("torch", "transformers", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")

Step = Callable[[str], None]


@dataclass(frozen=True)
class Conversion:
    """One model on its way from its source to its artifacts."""

    model: Model
    variant: str
    source: torch.nn.Module
    weights: tuple[Path, ...]
    reference: Reference

    @property
    def inputs(self) -> list[str]:
        return [tensor.name for tensor in self.model.config.input]

    @property
    def outputs(self) -> list[str]:
        return [tensor.name for tensor in self.model.config.output]

    def tolerance(self, kind: str) -> Tolerance:
        """What the recipe allows one kind of artifact.

        Raises:
            RecipeError: it says nothing of this precision.
        """
        precision, recipe = precision_of(kind), self.model.recipe
        if precision not in recipe.tolerance:
            raise RecipeError(
                f"in {self.model.name}/recipe.py: no tolerance for {precision}; give one, with its why, "
                f"or leave {precision} out"
            )
        return recipe.tolerance[precision]

    def task(self, artifact: Path) -> dict[str, float]:
        """The artifact in its task's own unit, where the recipe says how to measure that."""
        task = getattr(self.model.recipe_module, "task", None)
        if task is None:
            return {}
        source = reference_run(self.source, self.inputs, self.outputs)
        candidate = run_onnx(artifact, self.inputs, self.outputs)
        figures: dict[str, float] = task(source, candidate, *self.weights)
        return figures

    def compare(self, artifact: Path) -> Parity:
        """How far an ONNX file's answers are from the source model's."""
        return self.reference.compare(run_onnx(artifact, self.inputs, self.outputs))


def convert(
    repository: Repository,
    model: Model,
    variant: str,
    kinds: Sequence[str] = ("fp32",),
    on_step: Step = lambda step: None,
) -> dict[str, ledger.Entry]:
    """Make one model's artifacts, each put in place as soon as it is proved; what each ledger entry says.

    `kinds` are of KINDS; fp32 also makes the fused graph where there is something to fuse. Whatever goes
    wrong, the artifact in hand, its lock and its ledger entry stay as they were.

    Raises:
        SourceError: the weights cannot be had or are not the pinned ones.
        ConversionError: the model cannot be exported as declared.
        ParityError: it can, but its answers differ by more than the recipe's tolerance.
    """
    conversion = begin(repository, model, variant, on_step)
    made: dict[str, ledger.Entry] = {}
    plain = model.version_folder / onnx_name("fp32")
    is_stale = not is_proved(model, variant, "fp32")  # absent, of another variant, or of another recipe
    if "fp32" in kinds or is_stale:
        before = sha256_of(plain) if plain.is_file() else ""
        made |= _place(conversion, "fp32", lambda target: _export(conversion, target), on_step)
        if is_stale or made[plain.name].sha256 != before:
            _drop_derived(conversion)
        made |= _place(conversion, "fused", lambda target: derived.fused(plain, target), on_step)
    for kind in kinds:
        if kind != "fp32":
            make = functools.partial(derived.make, kind, conversion, on_step=on_step)
            made |= _place(conversion, kind, make, on_step)
    return _with_speed(conversion, made, on_step)


def precision_of(kind: str) -> str:
    """The precision whose tolerance one kind of artifact is held to: a fused graph is still float32."""
    return {"fused": "fp32", "qdq": "int8"}.get(kind, kind)


def begin(repository: Repository, model: Model, variant: str, on_step: Step) -> Conversion:
    on_step("fetching the weights")
    weights = pull(repository, model, variant)
    on_step("loading the source model")
    source = _load(model, weights)
    inputs = [tensor.name for tensor in model.config.input]
    outputs = [tensor.name for tensor in model.config.output]
    if set(model.recipe.shapes) != set(inputs):
        raise RecipeError(
            f"in {model.name}/recipe.py: shapes are given for {', '.join(model.recipe.shapes)}, but "
            f"config.pbtxt declares the inputs {', '.join(inputs)}"
        )
    on_step("asking the source model")
    reference = Reference.of(reference_run(source, inputs, outputs), _samples(model))
    model.version_folder.mkdir(exist_ok=True)
    return Conversion(model, variant, source, weights, reference)


def _load(model: Model, weights: tuple[Path, ...]) -> torch.nn.Module:
    module = model.recipe_module
    if not hasattr(module, "load") or not hasattr(module, "samples"):
        raise RecipeError(
            f"in {model.name}/recipe.py: an exported model needs load(*weights) and samples(rng)"
        )
    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers' bar for a load of a second would tear ours
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what TensorFlow's kernels log is not about the model
    try:
        source: torch.nn.Module = module.load(*weights)
    except ImportError as error:
        extra = "keras" if error.name in ("keras", "tensorflow", "tf_keras") else "convert"
        raise ConversionError(f"load() needs {error.name}; pip install 'tritonzoo[{extra}]'") from error
    except TritonZooError:
        raise
    except Exception as error:
        raise ConversionError(
            f"load() of {model.name}/recipe.py fails ({reason_of(error)}); the weights are damaged, or are "
            f"not those it expects"
        ) from error
    return source


def _samples(model: Model) -> list[Sample]:
    try:
        samples = list(model.recipe_module.samples(np.random.default_rng(SAMPLES_SEED)))
    except Exception as error:
        raise RecipeError(f"in {model.name}/recipe.py: samples() fails ({reason_of(error)})") from error
    try:
        require_coverage(samples, model.recipe.shapes)
    except RecipeError as error:
        raise RecipeError(f"in {model.name}/recipe.py: {error}") from error
    return samples


def _export(conversion: Conversion, target: Path) -> derived.Made:
    model, recipe = conversion.model, conversion.model.recipe
    exported = ToOnnx(
        conversion.inputs,
        conversion.outputs,
        recipe.shapes,
        declared_by(model.config),
        batched=model.config.max_batch_size > 0,
        pinned_opset=recipe.opset,
        using=recipe.exporter,
    ).export(conversion.source, conversion.reference.samples[0], target)
    sources = ", ".join(str(source) for source in recipe.sources_of(conversion.variant))
    return derived.Made(f"{sources}, {exported}")


def _place(
    conversion: Conversion, kind: str, make: Callable[[Path], derived.Made | None], on_step: Step
) -> dict[str, ledger.Entry]:
    """Make one artifact beside its place, prove it, and put it there; nothing where `make` gives nothing."""
    model = conversion.model
    artifact = model.version_folder / onnx_name(kind)
    staged = artifact.with_name(f".{artifact.name}.{os.getpid()}.partial")
    tolerance = conversion.tolerance(kind)
    try:
        on_step(f"making {artifact.name}")
        made = make(staged)
        if made is None:
            return {}
        on_step(f"comparing {artifact.name} with the source model")
        parity = made.parity or conversion.compare(staged)
        parity.judge(tolerance)
        entry = _entry(conversion, kind, made, parity, tolerance, staged)
        staged.replace(artifact)
    except OSError as error:
        raise ConversionError(
            f"{model.version_folder}: cannot write {artifact.name} there ({error.strerror}); free some space "
            f"and convert again; the previous artifact is untouched"
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    ledger.write(model.ledger_path, ledger.read(model.ledger_path) | {artifact.name: entry})
    lock_artifacts(model, conversion.variant)
    return {artifact.name: entry}


def _drop_derived(conversion: Conversion) -> None:
    """Remove what was derived from another `model.onnx`, or proved by another recipe."""
    model, plain = conversion.model, onnx_name("fp32")
    for path in model.present_artifacts:
        if path.name != plain:
            path.unlink()
    ledger.write(model.ledger_path, {plain: ledger.read(model.ledger_path)[plain]})
    lock_artifacts(model, conversion.variant)


def _entry(
    conversion: Conversion,
    kind: str,
    made: derived.Made,
    parity: Parity,
    tolerance: Tolerance,
    artifact: Path,
) -> ledger.Entry:
    model, precision = conversion.model, "fp32" if kind == "fused" else kind
    held_to = {"atol": tolerance.atol, "cosine": tolerance.cosine, "mean_cosine": tolerance.mean_cosine}
    return ledger.Entry(
        sha256=sha256_of(artifact),
        made_by=f"tritonzoo convert {model.name} --variant {conversion.variant} --precision {precision}",
        made_from=made.description,
        date=datetime.now(timezone.utc).date().isoformat(),
        versions={"python": platform.python_version()}
        | {name: importlib.import_module(name).__version__ for name in _LIBRARIES if name in sys.modules},
        errors=parity.errors,
        by_bucket=parity.by_bucket,
        tolerance={name: bound for name, bound in held_to.items() if abs(bound) not in (float("inf"), 1.0)}
        | {"why": tolerance.why},
        needed=parity.needed,
        left_out=made.left_out,
        task=conversion.task(artifact),
    )


def _with_speed(
    conversion: Conversion, made: dict[str, ledger.Entry], on_step: Step
) -> dict[str, ledger.Entry]:
    """Time every artifact that is there against the others, so that `auto` compares what is comparable."""
    on_step("measuring speed")
    model = conversion.model
    entries = ledger.read(model.ledger_path)
    present = {
        name: model.version_folder / name for name in entries if (model.version_folder / name).is_file()
    }
    speeds = measure_speed(present, conversion.reference.samples, conversion.outputs)
    entries |= {name: replace(entries[name], speed=speed) for name, speed in speeds.items()}
    ledger.write(model.ledger_path, entries)
    return {name: entries[name] for name in made}
