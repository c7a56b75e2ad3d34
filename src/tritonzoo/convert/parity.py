"""Compare two models' answers: running them is apart from judging them.

The reference is the source model in PyTorch; the candidate is the artifact in ONNX Runtime with every graph
optimisation on, as it will be served.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.exported import reason_of
from tritonzoo.errors import ConversionError, ParityError
from tritonzoo.ledger import OutputError
from tritonzoo.recipe import Tolerance

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    Tensors = Mapping[str, npt.NDArray[Any]]
    Run = Callable[[Tensors], Tensors]


@dataclass(frozen=True)
class Parity:
    """How far a candidate's answers are from the reference's: by output, and by extents of the sample."""

    errors: Mapping[str, OutputError]
    by_bucket: Mapping[str, OutputError]

    @property
    def needed(self) -> dict[str, float]:
        """The tolerance that would just have passed."""
        errors = self.errors.values()
        return {
            "atol": max(error.max_abs for error in errors),
            "cosine": min(error.min_cosine for error in errors),
            "mean_cosine": min(error.mean_cosine for error in errors),
        }

    def judge(self, tolerance: Tolerance) -> None:
        """Refuse answers beyond `tolerance`.

        Raises:
            ParityError: with the difference found, the one allowed, and where it was worst.
        """
        worst = max(self.by_bucket, key=lambda bucket: self.by_bucket[bucket].max_abs)
        for output, error in self.errors.items():
            if not np.isfinite(error.max_abs):
                raise ParityError(f"output {output}: the artifact answers with NaN or Inf (at {worst})")
            found = (error.max_abs, error.min_cosine, error.mean_cosine)
            allowed = (tolerance.atol, tolerance.cosine, tolerance.mean_cosine)
            if found[0] > allowed[0] or found[1] < allowed[1] or found[2] < allowed[2]:
                told = "; ".join(
                    f"{what} {is_:.6g} (allowed {bound:g})"
                    for what, is_, bound in zip(
                        ("largest difference", "least cosine", "mean cosine"), found, allowed, strict=True
                    )
                )
                raise ParityError(
                    f"output {output} differs from the source model: {told}; worst at {worst}. Why the "
                    f"recipe allows that much: {tolerance.why}"
                )


@dataclass(frozen=True)
class Reference:
    """The source model's answers to the recipe's samples, computed once and compared with many artifacts."""

    samples: Sequence[Tensors]
    answers: Sequence[Tensors]

    @classmethod
    def of(cls, run: Run, samples: Iterable[Tensors]) -> Reference:
        """Ask the source model.

        Raises:
            ParityError: there is no sample, or the source model itself answers with NaN or Inf.
        """
        kept = list(samples)
        if not kept:
            raise ParityError("samples() yields nothing; an artifact that was never compared is not proved")
        answers = [run(sample) for sample in kept]
        for sample, answer in zip(kept, answers, strict=True):
            for output, tensor in answer.items():
                if not np.isfinite(tensor).all():
                    raise ParityError(
                        f"output {output}: the source model answers with NaN or Inf (at "
                        f"{extents_of(sample)}); its weights are damaged, or samples() feeds it nonsense"
                    )
        return cls(kept, answers)

    def compare(self, run: Run) -> Parity:
        """Ask a candidate the same, and measure the differences of every output."""
        by_output: dict[str, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]] = defaultdict(list)
        by_bucket: dict[str, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]] = defaultdict(list)
        for sample, expected in zip(self.samples, self.answers, strict=True):
            found = run(sample)
            for output, tensor in expected.items():
                pair = (_rows(tensor), _rows(found[output]))
                if pair[0].shape != pair[1].shape:
                    raise ParityError(
                        f"output {output}: the artifact answers with shape {found[output].shape}, "
                        f"the source model with {tensor.shape}"
                    )
                by_output[output].append(pair)
                by_bucket[extents_of(sample)].append(pair)
        return Parity(
            errors={output: _error(pairs) for output, pairs in by_output.items()},
            by_bucket={bucket: _error(pairs) for bucket, pairs in by_bucket.items()},
        )


def run_torch(module: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """The source model as a function from named arrays to named arrays."""
    import torch

    def run(sample: Tensors) -> Tensors:
        try:
            with torch.inference_mode():
                answers = module(*(torch.from_numpy(sample[name]) for name in inputs))
        except Exception as error:
            raise ConversionError(
                f"the source model fails on what samples() gives it: {type(error).__name__}: {error}"
            ) from error
        answers = answers if isinstance(answers, tuple) else (answers,)
        if len(answers) != len(outputs):
            raise ConversionError(
                f"the source model gives {len(answers)} outputs, but config.pbtxt declares {len(outputs)} "
                f"({', '.join(outputs)}); make load() return a module with exactly these"
            )
        return {name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)}

    return run


def run_onnx(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """An ONNX file in ONNX Runtime on the CPU as a function from named arrays to named arrays."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; what it warns of is measured here
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise ConversionError(f"ONNX Runtime does not load the artifact ({reason_of(error)})") from error

    def run(sample: Tensors) -> Tensors:
        try:
            answers = session.run(list(outputs), {name: sample[name] for name in inputs})
        except Exception as error:
            raise ConversionError(
                f"the artifact fails at {extents_of(sample)}, where the source model answers "
                f"({reason_of(error)}); an extent of the traced sample became a constant: compute with "
                f"x.shape or -1 in load()'s module"
            ) from error
        return dict(zip(outputs, answers, strict=True))

    return run


def _rows(tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return tensor.reshape(len(tensor), -1).astype(np.float64)


def extents_of(sample: Tensors) -> str:
    """The extents of the sample's largest input: what a shape profile would call it."""
    name, tensor = max(sample.items(), key=lambda item: item[1].size)
    return f"{name} {'x'.join(map(str, tensor.shape))}"


def _error(pairs: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> OutputError:
    tiny = np.finfo(np.float64).tiny
    max_abs, max_rel, cosines = 0.0, 0.0, []
    for expected, found in pairs:
        difference = np.abs(expected - found)
        if not np.isfinite(difference).all():
            return OutputError(sum(len(e) for e, _ in pairs), float("inf"), float("inf"), -1.0, -1.0)
        scale = np.maximum(np.abs(expected).max(axis=1, keepdims=True), tiny)
        lengths = np.linalg.norm(expected, axis=1), np.linalg.norm(found, axis=1)
        cosine = (expected * found).sum(axis=1) / np.maximum(lengths[0] * lengths[1], tiny)
        cosines.append(np.where(lengths[0] + lengths[1] == 0, 1.0, cosine))  # both are all zeros: the same
        max_abs = max(max_abs, float(difference.max()))
        max_rel = max(max_rel, float((difference / scale).max()))
    every = np.concatenate(cosines)
    return OutputError(len(every), max_abs, max_rel, float(every.min()), float(every.mean()))
