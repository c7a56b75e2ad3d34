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

from tritonzoo.errors import ParityError
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

    def judge(self, tolerance: Tolerance) -> None:
        """Refuse answers beyond `tolerance`.

        Raises:
            ParityError: with the difference found, the one allowed, and where it was worst.
        """
        worst_bucket = max(self.by_bucket, key=lambda bucket: self.by_bucket[bucket].max_abs)
        for output, error in self.errors.items():
            if not np.isfinite(error.max_abs):
                raise ParityError(f"output {output}: the artifact answers with NaN or Inf")
            if error.max_abs > tolerance.atol or error.min_cosine < tolerance.cosine:
                raise ParityError(
                    f"output {output}: differs from the source model by {error.max_abs:.3g} (allowed "
                    f"{tolerance.atol:.3g}), least cosine {error.min_cosine:.6f} (allowed "
                    f"{tolerance.cosine:g}); worst at {worst_bucket}. What the recipe allows, and why: "
                    f"{tolerance.why}"
                )


def measure(reference: Run, candidate: Run, samples: Iterable[Tensors], outputs: Sequence[str]) -> Parity:
    """Run both models over `samples` and measure the differences of every output."""
    by_output: dict[str, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]] = defaultdict(list)
    by_bucket: dict[str, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]] = defaultdict(list)
    for sample in samples:
        expected, found = reference(sample), candidate(sample)
        for output in outputs:
            pair = (_rows(expected[output]), _rows(found[output]))
            if pair[0].shape != pair[1].shape:
                raise ParityError(
                    f"output {output}: the artifact answers with shape {found[output].shape}, "
                    f"the source model with {expected[output].shape}"
                )
            by_output[output].append(pair)
            by_bucket[_bucket(sample)].append(pair)
    if not by_output:
        raise ParityError("samples() yields nothing; an artifact that was never compared is not proved")
    return Parity(
        errors={output: _error(pairs) for output, pairs in by_output.items()},
        by_bucket={bucket: _error(pairs) for bucket, pairs in by_bucket.items()},
    )


def run_torch(module: torch.nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """The source model as a function from named arrays to named arrays."""
    import torch

    def run(sample: Tensors) -> Tensors:
        with torch.inference_mode():
            answers = module(*(torch.from_numpy(sample[name]) for name in inputs))
        answers = answers if isinstance(answers, tuple) else (answers,)
        return {name: answer.numpy() for name, answer in zip(outputs, answers, strict=True)}

    return run


def run_onnx(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """An ONNX file in ONNX Runtime on the CPU as a function from named arrays to named arrays."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(sample: Tensors) -> Tensors:
        answers = session.run(list(outputs), {name: sample[name] for name in inputs})
        return dict(zip(outputs, answers, strict=True))

    return run


def _rows(tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return tensor.reshape(len(tensor), -1).astype(np.float64)


def _bucket(sample: Tensors) -> str:
    """The extents of the sample's largest input: what a shape profile would call it."""
    name, tensor = max(sample.items(), key=lambda item: item[1].size)
    return f"{name} {'x'.join(map(str, tensor.shape))}"


def _error(pairs: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> OutputError:
    tiny = np.finfo(np.float64).tiny
    max_abs, max_rel, min_cosine, rows = 0.0, 0.0, 1.0, 0
    for expected, found in pairs:
        difference = np.abs(expected - found)
        if not np.isfinite(difference).all():
            return OutputError(sum(len(e) for e, _ in pairs), float("inf"), float("inf"), -1.0)
        scale = np.maximum(np.abs(expected).max(axis=1, keepdims=True), tiny)
        norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
        cosine = (expected * found).sum(axis=1) / np.maximum(norms, tiny)
        rows += len(expected)
        max_abs = max(max_abs, float(difference.max()))
        max_rel = max(max_rel, float((difference / scale).max()))
        min_cosine = min(min_cosine, float(cosine.min()))
    return OutputError(rows, max_abs, max_rel, min_cosine)
