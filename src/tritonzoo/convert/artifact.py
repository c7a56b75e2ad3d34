"""`tritonzoo convert`: a model folder's ONNX artifacts, each made, measured and only then put in place.

From the source model comes `model.onnx`, plain operators that every runtime reads; from that the others:
`model.fused.onnx` (for our ONNX Runtime backend), `model.fp16.onnx`, `model.int8.onnx` (for a CPU) and
`model.qdq.onnx` (int8 for TensorRT). A model of several graphs has such files for each, called after it.
"""

from __future__ import annotations

import functools
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonzoo import ledger
from tritonzoo.convert import derived
from tritonzoo.convert.aligned import align_weights
from tritonzoo.convert.exported import reason_of
from tritonzoo.convert.onnx import ToOnnx, reference_run
from tritonzoo.convert.parity import Parity, Reference, run_onnx
from tritonzoo.convert.part import SAMPLES_SEED, Part, parts_of
from tritonzoo.convert.sensitivity import told
from tritonzoo.convert.speed import measure_speed
from tritonzoo.convert.step_log import Step, logged
from tritonzoo.errors import ConversionError, RecipeError, TritonZooError
from tritonzoo.lock import sha256_of
from tritonzoo.pull import files_of, is_proved, lock_of, pull
from tritonzoo.recipe import Tolerance
from tritonzoo.replacing import replace_together
from tritonzoo.repository import ONLY, Model, Repository, onnx_name, precision_of

if TYPE_CHECKING:
    import torch

__all__ = ["KINDS", "LIBRARIES", "SAMPLES_SEED", "Conversion", "begin", "convert"]

KINDS = ("fp32", "fp16", "int8", "qdq")
LIBRARIES = ("torch", "transformers", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Conversion:
    """One graph of a model on its way from its source to its artifacts."""

    model: Model
    variant: str
    part: Part
    weights: tuple[Path, ...]
    reference: Reference

    @property
    def source(self) -> torch.nn.Module:
        source: torch.nn.Module = self.part.source
        return source

    @property
    def inputs(self) -> list[str]:
        return self.part.inputs

    @property
    def outputs(self) -> list[str]:
        return self.part.outputs

    def file(self, kind: str) -> Path:
        """Where one kind of artifact has its place."""
        return self.model.version_folder / onnx_name(kind, self.part.name)

    def tolerance(self, kind: str) -> Tolerance:
        """What the recipe allows one kind of artifact.

        Raises:
            RecipeError: it says nothing of this precision.
        """
        precision, tolerances = precision_of(onnx_name(kind)), self.part.options.tolerance
        if precision not in tolerances:
            raise RecipeError(
                f"in {self.model.name}/recipe.py: no tolerance for {precision}; give one, with its why, "
                f"or leave {precision} out"
            )
        return tolerances[precision]

    def command(self, kind: str) -> str:
        """What makes one kind of artifact."""
        precision = "fp32" if kind == "fused" else kind
        return f"tritonzoo convert {self.model.name} --variant {self.variant} --precision {precision}"

    def task(self, artifact: Path) -> dict[str, float]:
        """The artifact in its task's own unit, where the recipe says how to measure that."""
        task = getattr(self.model.recipe_module, "task", None)
        if task is None or self.part.name != ONLY:
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
    weights, parts = _loaded(repository, model, variant, on_step)
    is_stale = not is_proved(model, variant, "fp32")  # absent, of another variant, or of another recipe
    made: dict[str, ledger.Entry] = {}
    for part in parts:
        conversion = _asked(model, variant, weights, part, on_step)
        of_part: dict[str, ledger.Entry] = {}
        if "fp32" in kinds or is_stale:
            of_part |= _from_source(conversion, on_step, is_stale=is_stale)
        for kind in kinds:
            if kind != "fp32":
                of_part |= _place(
                    conversion, kind, functools.partial(derived.make, kind, conversion), on_step
                )
        made |= _with_speed(conversion, of_part, on_step)
    return made


def begin(repository: Repository, model: Model, variant: str, on_step: Step) -> Conversion:
    """The model's main graph, with its source's answers to the recipe's samples."""
    weights, parts = _loaded(repository, model, variant, on_step)
    return _asked(model, variant, weights, parts[0], on_step)


def _loaded(
    repository: Repository, model: Model, variant: str, on_step: Step
) -> tuple[tuple[Path, ...], list[Part]]:
    on_step("fetching the weights")
    weights = pull(repository, model, variant)
    on_step("loading the source model")
    return weights, parts_of(model, _load(model, weights))


def _asked(model: Model, variant: str, weights: tuple[Path, ...], part: Part, on_step: Step) -> Conversion:
    on_step("asking the source model")
    reference = Reference.of(reference_run(part.source, part.inputs, part.outputs), part.samples)
    model.version_folder.mkdir(exist_ok=True)
    return Conversion(model, variant, part, weights, reference)


def _from_source(conversion: Conversion, on_step: Step, *, is_stale: bool) -> dict[str, ledger.Entry]:
    """The float32 graph and its fused form; what was derived from another one goes."""
    plain = conversion.file("fp32")
    is_main = conversion.part.name == ONLY
    before = sha256_of(plain) if plain.is_file() else ""

    def dropped(entry: ledger.Entry) -> list[Path]:
        if is_stale and is_main:  # everything is of another variant or recipe
            return [path for path in conversion.model.present_artifacts if path != plain]
        return [] if entry.sha256 == before else _derived_from(plain)

    made = _place(
        conversion, "fp32", lambda target, step: _export(conversion, target), on_step, drops=dropped
    )
    return made | _place(conversion, "fused", lambda target, step: derived.fused(plain, target), on_step)


def _derived_from(plain: Path) -> list[Path]:
    return [path for path in plain.parent.glob(f"{plain.stem}.*.*") if path.suffix in (".onnx", ".plan")]


def _load(model: Model, weights: tuple[Path, ...]) -> Any:
    module = model.recipe_module
    if not hasattr(module, "load") or not (hasattr(module, "samples") or model.recipe.graphs):
        raise RecipeError(
            f"in {model.name}/recipe.py: an exported model needs load(*weights) and samples(rng)"
        )
    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers' bar for a load of a second would tear ours
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what TensorFlow's kernels log is not about the model
    try:
        return module.load(*weights)
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


def _export(conversion: Conversion, target: Path) -> derived.Made:
    part = conversion.part
    exported = ToOnnx(
        part.inputs,
        part.outputs,
        part.shapes,
        part.declared,
        batched=part.batched,
        pinned_opset=part.options.opset,
        using=part.options.exporter,
    ).export(part.source, conversion.reference.samples[0], target)
    sources = ", ".join(str(source) for source in conversion.model.recipe.sources_of(conversion.variant))
    return derived.Made(f"{sources}, {exported}")


def _place(
    conversion: Conversion,
    kind: str,
    make: Callable[[Path, Step], derived.Made | None],
    on_step: Step,
    *,
    drops: Callable[[ledger.Entry], list[Path]] = lambda entry: [],
) -> dict[str, ledger.Entry]:
    """Make one artifact beside its place, prove it, and put it there; nothing where `make` gives nothing."""
    model = conversion.model
    artifact = conversion.file(kind)
    staged = artifact.with_name(f".{artifact.name}.{os.getpid()}.partial")
    tolerance = conversion.tolerance(kind)
    log = model.folder / "logs" / f"{artifact.name}.log"
    try:
        with logged(log, f"{conversion.command(kind)} --force", on_step) as step:
            step(f"making {artifact.name}")
            made = make(staged, step)
            if made is None:
                step(f"no {artifact.name}: there is nothing to make of this model")
                return {}
            align_weights(staged)
            step(f"comparing {artifact.name} with the source model")
            parity = made.parity or conversion.compare(staged)
            step(f"answers are within {told(parity)}")
            parity.judge(tolerance)
            step(f"measuring {artifact.name} in its task's own unit")
            entry = _entry(conversion, kind, made, parity, tolerance, staged)
            _put_in_place(conversion, staged, artifact, entry, drops(entry))
            step(f"made from {made.description}; sha256 {entry.sha256}")
    except OSError as error:
        raise ConversionError(
            f"{model.version_folder}: cannot write {artifact.name} there ({error.strerror}); free some space "
            f"and convert again; the previous artifact is untouched"
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    return {artifact.name: entry}


def _put_in_place(
    conversion: Conversion, staged: Path, artifact: Path, entry: ledger.Entry, dropped: list[Path]
) -> None:
    """The artifact, the recipe's files, ledger entry and lock, together or not at all; `dropped` goes."""
    model = conversion.model
    plain_files = files_of(model, conversion.weights)
    beside = {
        path: path.with_name(f".{path.name}.{os.getpid()}.partial")
        for path in (*plain_files, model.ledger_path, model.lock_path)
    }
    kept = [path for path in model.present_artifacts if path not in dropped]
    files = {path: path for path in kept} | {artifact: staged} | {path: beside[path] for path in plain_files}
    names = {path.name for path in files}
    entries = {name: old for name, old in ledger.read(model.ledger_path).items() if name in names}
    try:
        for path, source in plain_files.items():
            shutil.copyfile(source, beside[path])
        beside[model.ledger_path].write_text(ledger.to_text(entries | {artifact.name: entry}), "utf-8")
        beside[model.lock_path].write_text(lock_of(model, conversion.variant, files).to_text(), "utf-8")
        replace_together({artifact: staged, **beside})
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
    for path in dropped:
        if path not in plain_files:
            path.unlink()


def _entry(
    conversion: Conversion,
    kind: str,
    made: derived.Made,
    parity: Parity,
    tolerance: Tolerance,
    artifact: Path,
) -> ledger.Entry:
    return ledger.Entry(
        sha256=sha256_of(artifact),
        made_by=conversion.command(kind),
        made_from=made.description,
        date=datetime.now(timezone.utc).date().isoformat(),
        versions={"python": platform.python_version()}
        | {name: importlib.import_module(name).__version__ for name in LIBRARIES if name in sys.modules},
        errors=parity.errors,
        by_bucket=parity.by_bucket,
        tolerance={**tolerance.bounds, "why": tolerance.why},
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
        name: model.version_folder / name
        for name in entries
        if name.partition(".")[0] == conversion.part.name and (model.version_folder / name).is_file()
    }
    speeds = measure_speed(present, conversion.reference.samples, conversion.outputs)
    entries |= {name: replace(entries[name], speed=speed) for name, speed in speeds.items()}
    try:
        ledger.write(model.ledger_path, entries)
    except OSError as error:
        raise ConversionError(
            f"{model.ledger_path}: cannot write the speeds there ({error.strerror}); free some space and "
            f"convert again; the artifacts are in place and proved"
        ) from error
    return {name: entries[name] for name in made}
