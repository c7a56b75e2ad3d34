"""A pipeline's inputs and outputs as config.pbtxt declares them, meanings included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tritonzoo.check.folder import type_name
from tritonzoo.check.pbtxt import PbText
from tritonzoo.repository import Model

_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|#(?P<comment>.*)')
_FEWEST_ALIKE = 3  # names of one prefix that are told as one


@dataclass(frozen=True)
class Described:
    """One tensor as a client meets it."""

    name: str
    data_type: str  # as it travels: BYTES, FP32
    shape: tuple[str, ...]  # with the batch; "any" where an axis varies
    is_optional: bool
    meaning: str  # the comment that ends its line


def inputs(model: Model) -> list[Described]:
    """What it takes, in the order of config.pbtxt."""
    return _described(model, "input")


def outputs(model: Model) -> list[Described]:
    """What it gives, in the order of config.pbtxt."""
    return _described(model, "output")


def grouped(names: Iterable[str]) -> list[str]:
    """Names with three or more of one first word as one: `segment_*`; in order."""
    names = list(names)
    words = [name.partition("_")[0] for name in names if "_" in name]
    alike = {word for word in words if words.count(word) >= _FEWEST_ALIKE}
    told = (f"{name.partition('_')[0]}_*" if name.partition("_")[0] in alike else name for name in names)
    return list(dict.fromkeys(told))


def _described(model: Model, side: str) -> list[Described]:
    text = (model.folder / "config.pbtxt").read_text("utf-8")
    lines, fields = text.splitlines(), PbText.index(text)
    batch = ("batch",) if model.config.max_batch_size > 0 else ()
    tensors: Iterable[Any] = getattr(model.config, side)
    return [
        Described(
            tensor.name,
            type_name(tensor.data_type).removeprefix("TYPE_").replace("STRING", "BYTES"),
            (*batch, *("any" if extent == -1 else str(extent) for extent in tensor.dims)),
            bool(getattr(tensor, "optional", False)),
            _comment(lines[fields.at(side, index, "name").line - 1]),
        )
        for index, tensor in enumerate(tensors)
    ]


def _comment(line: str) -> str:
    return next((found["comment"].strip() for found in _COMMENT.finditer(line) if found["comment"]), "")
