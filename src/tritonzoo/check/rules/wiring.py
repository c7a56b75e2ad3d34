"""Rules about an ensemble's tensors, followed from the step that writes them to those that read them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from tritonzoo.check.finding import Fault
from tritonzoo.check.folder import Folder, fit, type_name
from tritonzoo.check.pbtxt import Step as PathStep
from tritonzoo.check.rule import ensembles, rule
from tritonzoo.check.steps import Shape, runnable_steps, sources_of, steps_of

Meeting = tuple[str, Shape, Shape, tuple[PathStep, ...]]  # tensor, where it is from, where it goes, the place


@rule(on=ensembles)
def wiring_unknown_input(folder: Folder) -> Iterator[Fault]:
    """A step feeds inputs that its model has."""
    for step in steps_of(folder):
        for link in step.reads():
            if step.member is not None and link.tensor is None:
                yield folder.fault(
                    f"feeds {link.theirs!r} of {step.model_name}, which has no such input",
                    _choices(link.theirs, step.member.inputs),
                    *link.path,
                )


@rule(on=ensembles)
def wiring_unknown_output(folder: Folder) -> Iterator[Fault]:
    """A step takes outputs that its model has."""
    for step in steps_of(folder):
        for link in step.writes():
            if step.member is not None and link.tensor is None:
                yield folder.fault(
                    f"takes {link.theirs!r} from {step.model_name}, which has no such output",
                    _choices(link.theirs, step.member.outputs),
                    *link.path,
                )


@rule(on=ensembles)
def wiring_unfed_input(folder: Folder) -> Iterator[Fault]:
    """A step feeds every input of its model that is not optional."""
    for step in steps_of(folder):
        for name, tensor in step.member.inputs.items() if step.member else ():
            if name not in step.message.input_map and not tensor.optional:
                yield folder.fault(
                    f"does not feed {name!r} of {step.model_name}",
                    f'add input_map {{ key: "{name}" value: "..." }}',
                    *step.path("model_name"),
                )


@rule(on=ensembles)
def wiring_optional(folder: Folder) -> Iterator[Fault]:
    """An optional input of an ensemble feeds optional inputs alone.

    Triton loads another, and a request without the input is then refused by the member (measured).
    """
    for step in steps_of(folder):
        for link in step.reads():
            own = folder.inputs.get(link.ours)
            if own is not None and own.optional and link.tensor is not None and not link.tensor.optional:
                yield folder.fault(
                    f"feeds {link.ours!r}, which callers may leave out, to {link.theirs!r} of "
                    f"{step.model_name}, which may not be left out",
                    "remove optional here, or write it there",
                    *link.path,
                )


@rule(on=ensembles)
def wiring_nothing_writes(folder: Folder) -> Iterator[Fault]:
    """What a step reads is an input of the ensemble, or another step writes it."""
    sources = sources_of(folder)
    for step in steps_of(folder):
        for link in step.reads():
            if link.ours not in sources:
                yield folder.fault(
                    f"feeds {link.ours!r} to {step.model_name}, but nothing writes it",
                    _choices(link.ours, sources),
                    *link.value_path,
                )


@rule(on=ensembles)
def wiring_written_twice(folder: Folder) -> Iterator[Fault]:
    """A tensor of an ensemble is written once, and no step writes an input."""
    written = set(folder.inputs)
    for step in steps_of(folder):
        for link in step.writes():
            if link.ours in written:
                what = "which is an input" if link.ours in folder.inputs else "a second time"
                yield folder.fault(
                    f"{step.model_name} writes {link.ours!r}, {what}",
                    "give it another name",
                    *link.value_path,
                )
            written.add(link.ours)


@rule(on=ensembles)
def wiring_output_unwritten(folder: Folder) -> Iterator[Fault]:
    """Every output of an ensemble is written by a step."""
    written = {link.ours for step in steps_of(folder) for link in step.writes()}
    for index, tensor in enumerate(folder.config.output):
        if tensor.name and tensor.name not in written:
            yield folder.fault(
                f"promises {tensor.name!r}, but no step writes it",
                _choices(tensor.name, written),
                "output",
                index,
                "name",
            )


@rule(on=ensembles)
def wiring_unused_input(folder: Folder) -> Iterator[Fault]:
    """Every input of an ensemble is read by a step.

    Triton refuses one that is not.
    """
    read = {link.ours for step in steps_of(folder) for link in step.reads()}
    for index, tensor in enumerate(folder.config.input):
        if tensor.name and tensor.name not in read:
            yield folder.fault(
                f"takes {tensor.name!r}, and no step reads it",
                "feed it to a step, or remove the input",
                "input",
                index,
                "name",
            )


@rule(on=ensembles)
def wiring_unused_tensor(folder: Folder) -> Iterator[Fault]:
    """Every tensor that a step writes is read by another, or is an output.

    Triton refuses an ensemble with one that is not. An output of a member may be left out of the map.
    """
    read = {link.ours for step in steps_of(folder) for link in step.reads()}
    for step in steps_of(folder):
        for link in step.writes():
            if link.ours not in read and link.ours not in folder.outputs:
                yield folder.fault(
                    f"{step.model_name} writes {link.ours!r}, which nothing reads",
                    "remove this entry of output_map, or make the tensor an output",
                    *link.path,
                )


@rule(on=ensembles)
def wiring_cycle(folder: Folder) -> Iterator[Fault]:
    """No step waits for itself.

    Steps that need each other's outputs never run.
    """
    stuck = [step for step in steps_of(folder) if step not in runnable_steps(folder)]
    sources = sources_of(folder)
    if stuck and all(link.ours in sources for step in stuck for link in step.reads()):
        yield folder.fault(
            f"{' and '.join(dict.fromkeys(step.model_name for step in stuck))} wait for each other's outputs",
            "feed one of them from an earlier step",
            *stuck[0].path("model_name"),
        )


@rule(on=ensembles)
def wiring_data_type(folder: Folder) -> Iterator[Fault]:
    """A tensor has one data type wherever it is written and read."""
    for name, source, target, path in _meetings(folder):
        both = (source.tensor.data_type, target.tensor.data_type)
        if both[0] != both[1] and all(both):  # a tensor without a type is told by tensor-type
            yield folder.fault(
                f"{name!r} is {type_name(source.tensor.data_type)} as {source.what} and "
                f"{type_name(target.tensor.data_type)} as {target.what}",
                "give both the same data_type",
                *path,
            )


@rule(on=ensembles)
def wiring_shape(folder: Folder) -> Iterator[Fault]:
    """A tensor has one shape wherever it is written and read, as far as it is fixed."""
    for name, source, target, path in _meetings(folder):
        if not fit(source.full_dims, target.full_dims) and not fit(source.dims, target.dims):
            yield folder.fault(
                f"{name!r} is {_described(source)} as {source.what}, {_described(target)} as {target.what}",
                "give both the same dims, or -1 on an axis that varies",
                *path,
            )


@rule(on=ensembles)
def wiring_readers(folder: Folder) -> Iterator[Fault]:
    """Two that read one tensor ask for the same shape.

    Where it is open at its source, each of them may fit by itself, and no request fits both.
    """
    seen: dict[str, list[Shape]] = {}
    for name, source, target, path in _meetings(folder):
        if not fit(source.full_dims, target.full_dims) or target.owner is folder:
            continue
        for other in seen.setdefault(name, []):
            if not fit(other.full_dims, target.full_dims):
                yield folder.fault(
                    f"{name!r} is {_described(other)} as {other.what}, {_described(target)} as {target.what}",
                    "give both the same dims",
                    *path,
                )
                break
        seen[name].append(target)


@rule(on=ensembles)
def wiring_batch(folder: Folder) -> Iterator[Fault]:
    """A tensor has a batch axis on both of its ends, or on neither.

    Triton loads an ensemble of batched and unbatched members that agree but for that axis, and every request
    then fails. An unbatched end that says the axis in its dims (`[ -1, 16 ]` for `[ 16 ]`) is fine.
    """
    for name, source, target, path in _meetings(folder):
        if not fit(source.full_dims, target.full_dims) and fit(source.dims, target.dims):
            with_axis, without = (source, target) if source.owner.batches else (target, source)
            yield folder.fault(
                f"{name!r} has a batch axis as {with_axis.what} (max_batch_size "
                f"{with_axis.owner.config.max_batch_size}) and none as {without.what} (max_batch_size 0)",
                f"let both batch, or write dims: {[-1, *without.dims]} in {without.owner.name}",
                *path,
            )


@rule(on=ensembles)
def wiring_decoupled(folder: Folder) -> Iterator[Fault]:
    """No step, and no answer, joins what comes from two decoupled models.

    Triton cannot tell which of their answers belong together, and refuses the ensemble.
    """
    origin: dict[str, int | None] = dict.fromkeys(folder.inputs)
    for step in runnable_steps(folder):
        origins = {origin[link.ours] for link in step.reads()}
        if len(origins) > 1:
            yield folder.fault(
                f"{step.model_name} joins tensors of two decoupled models, or of one and of the request",
                "hand on what it needs through the decoupled model",
                *step.path("model_name"),
            )
        decoupled = step.member is not None and step.member.config.model_transaction_policy.decoupled
        for link in step.writes():
            origin[link.ours] = step.index if decoupled else next(iter(origins), None)
    given = {origin[name]: index for index, name in enumerate(folder.outputs) if name in origin}
    if len(given) > 1:
        yield folder.fault(
            "gives outputs of different decoupled models, or of one and of the request, together",
            "give only those of one decoupled model",
            "output",
            max(given.values()),
            "name",
        )


def _meetings(folder: Folder) -> Iterator[Meeting]:
    """Wherever a tensor goes from one declaration to another, both known."""
    sources = sources_of(folder)
    for step in steps_of(folder):
        for link in step.reads():
            source = sources.get(link.ours)
            if source is not None and link.tensor is not None and step.member is not None:
                what = f"input {link.theirs!r} of {step.model_name}"
                yield link.ours, source, Shape(step.member, link.tensor, what), link.path
    for index, tensor in enumerate(folder.config.output):
        source = sources.get(tensor.name)
        if source is not None and source.owner is not folder:
            what = f"the ensemble's output {tensor.name!r}"
            yield tensor.name, source, Shape(folder, tensor, what), ("output", index, "name")


def _described(shape: Shape) -> str:
    batch = " (batch first)" if shape.owner.batches else ""
    return f"{list(shape.full_dims)}{batch}"


def _choices(wrong: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names) or 'none'}"
