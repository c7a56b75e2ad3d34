"""The config.pbtxt of an ensemble that runs models one after another, told from the models' own.

Tensors are joined by name. What a member needs and none before it gives becomes an input of the ensemble;
what a member gives and none after it reads becomes an output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import ScaffoldError
from tritonzoo.repository import Model, Repository

if TYPE_CHECKING:
    from google.protobuf.message import Message

_TENSOR_LINE = re.compile(r'name: "(?P<name>[^"]+)".*?\}\s*[,\]]*\s*#\s*(?P<comment>.+)$')


@dataclass(frozen=True)
class _Tensor:
    """A tensor of the ensemble, as the member declares it that brings it in."""

    model: Model
    declared: Message

    def fields(self, *, batched: bool) -> tuple[str, str, str]:
        """The three fields of its line: name, data type, dims."""
        declared: Any = self.declared
        dims = list(declared.dims)
        if not batched and self.model.config.max_batch_size > 0:
            dims = [-1, *dims]
        data_type = model_config_pb2.DataType.Name(declared.data_type)
        return f'name: "{declared.name}"', f"data_type: {data_type}", f"dims: [ {', '.join(map(str, dims))} ]"

    @property
    def meaning(self) -> str:
        """What the member's config.pbtxt says behind the tensor."""
        declared: Any = self.declared
        for line in (self.model.folder / "config.pbtxt").read_text("utf-8").splitlines():
            match = _TENSOR_LINE.search(line)
            if match and match["name"] == declared.name:
                return match["comment"].strip()
        return f"of {self.model.name}"


def ensemble_config(repository: Repository, members: Sequence[str], title: str) -> str:
    """The text of a config.pbtxt that runs `members` in their order.

    Raises:
        ScaffoldError: there is no such model, or one gives a tensor that another gave before.
    """
    unknown = [name for name in members if name not in repository.models]
    if not members or unknown:
        raise ScaffoldError(
            f"no model {', '.join(unknown) or 'is named'}; there are: {', '.join(repository.models)}"
        )
    models = [repository.model(name) for name in members]
    inputs: dict[str, _Tensor] = {}
    given: dict[str, _Tensor] = {}
    read: set[str] = set()
    for model in models:
        config: Any = model.config
        for tensor in config.input:
            read.add(tensor.name)
            if tensor.name not in given and not tensor.optional:
                inputs.setdefault(tensor.name, _Tensor(model, tensor))
        for tensor in config.output:
            if tensor.name in given or tensor.name in inputs:
                raise ScaffoldError(
                    f"{model.name} gives {tensor.name!r}, which is there already; wire this ensemble by hand"
                )
            given[tensor.name] = _Tensor(model, tensor)
    last: Any = models[-1].config
    final = {tensor.name for tensor in last.output}
    outputs = {name: tensor for name, tensor in given.items() if name not in read or name in final}
    return _text(models, inputs, outputs, given, title)


def _text(
    models: Sequence[Model],
    inputs: dict[str, _Tensor],
    outputs: dict[str, _Tensor],
    given: dict[str, _Tensor],
    title: str,
) -> str:
    sizes = [int(getattr(model.config, "max_batch_size", 0)) for model in models]
    batched = min(sizes) > 0
    lines = [f"# {title.rstrip('.')}.", 'platform: "ensemble"', f"max_batch_size: {min(sizes)}", ""]
    for side, tensors in (("input", inputs), ("output", outputs)):
        lines += [f"{side} [", *_tensor_lines(tensors, batched=batched), "]"]
    lines += ["", "ensemble_scheduling {", "  step ["]
    for model in models:
        lines += _step_lines(model, inputs.keys() | given.keys(), is_last=model is models[-1])
    return "\n".join([*lines, "  ]", "}", ""])


def _tensor_lines(tensors: dict[str, _Tensor], *, batched: bool) -> list[str]:
    """A line for each tensor, its fields one below the other."""
    places = list(tensors.values())
    fields = [tensor.fields(batched=batched) for tensor in places]
    widths = [max(map(len, column), default=0) for column in zip(*fields, strict=True)]
    lines = []
    for tensor, (name, data_type, dims) in zip(places, fields, strict=True):
        mark = " " if tensor is places[-1] and len(places) > 1 else "," * (len(places) > 1)
        space = " " * (widths[2] - len(dims))
        head = f"  {{ {name:<{widths[0]}} {data_type:<{widths[1]}} {dims} }}{mark}{space}"
        lines.append(f"{head}  # {tensor.meaning}")
    return lines


def _step_lines(model: Model, known: set[str], *, is_last: bool) -> list[str]:
    config: Any = model.config
    maps = [("input_map ", tensor.name) for tensor in config.input if tensor.name in known]
    maps += [("output_map", tensor.name) for tensor in config.output]
    return [
        "    {",
        f'      model_name: "{model.name}" model_version: -1',
        *(f'      {kind} {{ key: "{name}" value: "{name}" }}' for kind, name in maps),
        "    }" + ("" if is_last else ","),
    ]
