"""Hold artifacts, and served pipelines, to `golden.npz`: no torch, no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonzoo.convert.parity import Parity, Reference, run_onnx
from tritonzoo.errors import CallError, ConversionError, ParityError
from tritonzoo.golden.file import NAME, Case, Golden, thinned
from tritonzoo.golden.pipeline import members_with_weights
from tritonzoo.lock import Lock
from tritonzoo.recipe import Tolerance
from tritonzoo.repository import precision_of
from tritonzoo.variants import variants_here

if TYPE_CHECKING:
    from tritonzoo.client import Client
    from tritonzoo.convert.parity import Run
    from tritonzoo.golden.file import Array
    from tritonzoo.repository import Model, Repository


SAME_ARITHMETIC = Tolerance(atol=1e-5, why="no graph of another precision takes part")


@dataclass(frozen=True)
class Outcome:
    """How one artifact, or one served pipeline, answers what is in the golden file."""

    name: str  # of the model or pipeline
    what: str  # the artifact, or "served, int8"
    tolerance: Tolerance | None = None
    parity: Parity | None = None  # None: it was not asked, or gave no answer
    failure: str = ""  # why it is not as golden; empty: it is
    skipped: str = ""  # why it was not asked

    @property
    def verdict(self) -> str:
        return "skipped" if self.skipped else "red" if self.failure else "green"


def verify_artifacts(model: Model) -> list[Outcome]:
    """Every ONNX artifact that is there, each within its precision's tolerance."""
    golden = Golden.read(model.folder / NAME)
    here = Lock.read(model.lock_path).variant
    artifacts = [path for path in model.present_artifacts if path.suffix == ".onnx"]
    if not artifacts:
        convert = f"tritonzoo convert {model.name}"
        return [Outcome(model.name, "", skipped=f"nothing is converted yet; {convert}")]
    if here != golden.variant:
        return [Outcome(model.name, "", skipped=_another_variant(golden.variant, {model.name: here}))]
    inputs = [tensor.name for tensor in model.config.input]
    outputs = [tensor.name for tensor in model.config.output]
    outcomes = []
    for path in artifacts:
        tolerance = model.recipe.main_tolerance[precision_of(path.name)]
        outcome = Outcome(model.name, path.name, tolerance)
        try:
            run = run_onnx(path, inputs, outputs)
        except ConversionError as error:
            outcomes.append(replace(outcome, failure=str(error)))
        else:
            outcomes.append(_held(outcome, golden, run))
    return outcomes


def verify_served(repository: Repository, pipeline: Model, client: Client) -> Outcome:
    """A pipeline as a server answers it, within the tolerance of the artifacts that the server has loaded."""
    golden = Golden.read(pipeline.folder / NAME)
    others = {
        name: variant
        for name, variant in variants_here(repository, pipeline).items()
        if variant != golden.variant
    }
    if others:
        return Outcome(pipeline.name, "served", skipped=_another_variant(golden.variant, others))
    precisions, bounds = [], []
    for member in members_with_weights(repository, pipeline):
        if member.recipe.is_exported:
            precision = precision_of(client.describe(member.name).artifact)  # as it is served, not as here
            precisions.append(precision)
            bounds.append(member.recipe.main_tolerance[precision])
    outcome = Outcome(pipeline.name, ", ".join(["served", *dict.fromkeys(precisions)]), _widest(bounds))
    return _held(outcome, golden, lambda inputs: client.infer(pipeline.name, inputs))


def _held(outcome: Outcome, golden: Golden, run: Run) -> Outcome:
    try:
        outcome = replace(outcome, parity=compare(golden, run))
        if outcome.parity is not None and outcome.tolerance is not None:
            outcome.parity.judge(outcome.tolerance)
    except (ConversionError, CallError) as error:  # a ParityError is one of the former
        return replace(outcome, failure=str(error))
    return outcome


def compare(golden: Golden, run: Run) -> Parity:
    """Ask again, and measure the differences of floats; everything else must be equal.

    Raises:
        ParityError: an answer is missing, has another shape, or is another string or whole number.
        ConversionError: the artifact fails on an input.
    """
    floats = [
        {name: answer for name, answer in case.answers.items() if answer.dtype.kind == "f" and answer.size}
        for case in golden.cases
    ]
    by_inputs = {id(case.inputs): case for case in golden.cases}

    def asked(inputs: Mapping[str, Array]) -> dict[str, Array]:
        case = by_inputs[id(inputs)]
        return _checked(case, run(inputs))

    return Reference([case.inputs for case in golden.cases], floats).compare(asked)


def _checked(case: Case, found: Mapping[str, Array]) -> dict[str, Array]:
    """The answers, thinned, once all that must be equal is."""
    answers = {}
    for name, expected in case.answers.items():
        if name not in found:
            raise ParityError(f"output {name}: there is none; the answer has {', '.join(found)}")
        if found[name].shape != case.shapes[name]:
            raise ParityError(
                f"output {name}: the answer has shape {found[name].shape}, the source's {case.shapes[name]}"
            )
        answers[name] = thinned(found[name])
        if expected.dtype.kind != "f" and not np.array_equal(expected, answers[name]):
            raise ParityError(
                f"output {name}: {_told(answers[name])}, but the source answers {_told(expected)}"
            )
    return answers


def _told(array: Array) -> str:
    values: list[Any] = array.ravel().tolist()
    told = ", ".join(str(value) for value in values[:4])
    return f"{told}, ..." if len(values) > 4 else told


def _widest(bounds: list[Tolerance]) -> Tolerance:
    """What may be expected of a chain: the widest of its members' bounds."""
    if not bounds:
        return SAME_ARITHMETIC
    return Tolerance(
        atol=max(bound.atol for bound in bounds),
        cosine=min(bound.cosine for bound in bounds),
        mean_cosine=min(bound.mean_cosine for bound in bounds),
        why=bounds[0].why,
    )


def _another_variant(golden: str, here: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} is {variant or 'absent'}" for name, variant in here.items())
    return f"{NAME} was recorded from the {golden}, but {told}"
