"""`tritonzoo check`: the whole tree, offline: every folder loads, every ensemble fits together.

Nothing is served and nothing is downloaded. Each finding says which file, what is wrong and how to mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tritonclient.grpc import model_config_pb2

from tritonzoo import ledger
from tritonzoo.errors import TritonZooError
from tritonzoo.lock import Lock, sha256_of
from tritonzoo.profiles import padded_inputs
from tritonzoo.repository import Model, Repository

if TYPE_CHECKING:
    from google.protobuf.message import Message


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in the tree."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def check(repository: Repository) -> tuple[Finding, ...]:
    """Every fault of the tree; empty when it is sound."""
    try:
        models = repository.models
    except TritonZooError as error:
        return (Finding(repository.root, str(error)),)
    findings: list[Finding] = []
    for model in models.values():
        for examine in (_config, _recipe, _artifacts, _ensemble):
            findings += _guarded(examine, repository, model)
    return tuple(findings)


def _guarded(
    examine: Callable[[Repository, Model], Iterator[Finding]], repository: Repository, model: Model
) -> Iterator[Finding]:
    """What `examine` finds; a folder that it cannot even read is a finding too."""
    try:
        yield from examine(repository, model)
    except TritonZooError as error:
        yield Finding(model.folder, str(error))


def _config(repository: Repository, model: Model) -> Iterator[Finding]:
    path, config = model.folder / "config.pbtxt", model.config
    if config.name:
        yield Finding(path, f"has name: {config.name!r}; remove the line, the folder is the name")
    if not model.title:
        yield Finding(path, "open it with a comment that says in one sentence what the model does")
    if not model.version_folder.is_dir():
        yield Finding(model.folder, "has no version folder 1/; Triton would not load it (add 1/.gitkeep)")
    if not model.is_ensemble:
        if not config.backend:
            yield Finding(path, 'names no backend; add one, such as backend: "python"')
        padded_inputs(model)
        own_code = model.version_folder / "model.py"
        if config.backend == "python" and not own_code.is_file():
            yield Finding(own_code, "not found; a model of the python backend needs it")


def _recipe(repository: Repository, model: Model) -> Iterator[Finding]:
    if not model.has_recipe:
        return
    recipe, path = model.recipe, model.folder / "recipe.py"
    for name, shapes in recipe.shapes.items():
        declared = {tensor.name: tensor for tensor in model.config.input}
        if name not in declared:
            yield Finding(path, f"gives shapes for {name!r}, which config.pbtxt does not have as an input")
        elif len(shapes.max) != len(declared[name].dims) + (model.config.max_batch_size > 0):
            yield Finding(
                path, f"gives {name!r} rank {len(shapes.max)}, config.pbtxt another (batch included)"
            )
        elif 0 < model.config.max_batch_size < shapes.max[0]:
            yield Finding(path, f"lets {name!r} have more rows than max_batch_size in config.pbtxt")


def _artifacts(repository: Repository, model: Model) -> Iterator[Finding]:
    """Artifacts that are there must be the ones that were proved; absent ones are `pull` and `convert`'s."""
    if not model.has_recipe or model.missing_artifacts():
        return
    lock, proofs = Lock.read(model.lock_path), ledger.read(model.ledger_path)
    for path in model.present_artifacts:
        digest, locked = sha256_of(path), lock.files.get(path.relative_to(model.folder).as_posix())
        remedy = f"make it again: tritonzoo convert {model.name} --force"
        if locked is None or digest != locked.sha256:
            yield Finding(path, f"is not what was locked; {remedy}")
        elif model.recipe.shapes and (path.name not in proofs or proofs[path.name].sha256 != digest):
            yield Finding(path, f"was never compared with its source; {remedy}")


def _ensemble(repository: Repository, model: Model) -> Iterator[Finding]:
    """Follow every tensor of an ensemble from the step that writes it to the steps that read it."""
    if not model.is_ensemble:
        return
    path = model.folder / "config.pbtxt"
    repository.closure([model.name])
    written = {tensor.name: tensor for tensor in model.config.input}
    steps = model.config.ensemble_scheduling.step
    for step in steps:
        outputs = {tensor.name: tensor for tensor in repository.model(step.model_name).config.output}
        for theirs, ours in step.output_map.items():
            if theirs not in outputs:
                yield Finding(path, f"reads {theirs!r} from {step.model_name}, which has no such output")
            elif ours in written:
                yield Finding(path, f"writes {ours!r} twice; give the second another name")
            else:
                written[ours] = outputs[theirs]
    for step in steps:
        inputs = {tensor.name: tensor for tensor in repository.model(step.model_name).config.input}
        for theirs in sorted(inputs.keys() - step.input_map.keys()):
            if not inputs[theirs].optional:
                yield Finding(path, f"does not feed {theirs!r} of {step.model_name}")
        for theirs, ours in step.input_map.items():
            if theirs not in inputs:
                yield Finding(path, f"feeds {theirs!r} of {step.model_name}, which has no such input")
            elif ours not in written:
                yield Finding(path, f"feeds {ours!r} to {step.model_name}, but nothing writes it")
            else:
                yield from _clash(path, f"{ours!r} into {step.model_name}", written[ours], inputs[theirs])
    for tensor in model.config.output:
        if tensor.name not in written:
            yield Finding(path, f"promises {tensor.name!r}, but no step writes it")
        else:
            yield from _clash(path, f"output {tensor.name!r}", written[tensor.name], tensor)


def _clash(path: Path, what: str, source: Message, target: Message) -> Iterator[Finding]:
    dtype = model_config_pb2.DataType.Name
    if source.data_type != target.data_type:
        yield Finding(path, f"{what}: {dtype(source.data_type)} does not fit {dtype(target.data_type)}")
    if len(source.dims) != len(target.dims) or any(
        -1 not in pair and pair[0] != pair[1] for pair in zip(source.dims, target.dims, strict=True)
    ):
        yield Finding(path, f"{what}: dims {list(source.dims)} do not fit {list(target.dims)}")
