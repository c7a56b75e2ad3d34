"""Request bodies for Apache Benchmark (`ab`), which posts one file over and over, and the command for it."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format
from tritonclient.utils import np_to_triton_dtype

from tritonzoo.bench.inputs import Input
from tritonzoo.client.description import Pipeline
from tritonzoo.client.tensors import as_arrays
from tritonzoo.client.transport import Array
from tritonzoo.errors import BenchError
from tritonzoo.infer.arguments import TEXT_INPUT
from tritonzoo.lock import write_text
from tritonzoo.repository import Model


def described(model: Model) -> Pipeline:
    """A pipeline by its config.pbtxt, without a server."""
    config = json_format.MessageToDict(model.config, preserving_proto_field_name=True)
    return Pipeline.from_config({**config, "name": model.name})


def bodies(pipeline: Pipeline, inputs: Sequence[Input]) -> dict[str, str]:
    """File name to body, one for each input: what Triton's HTTP endpoint `infer` takes, in JSON.

    Files are in base64, as the tree's pipelines take them. Raises BenchError where two inputs would have one
    name.
    """
    found: dict[str, str] = {}
    for number, one in enumerate(inputs, 1):
        name = f"text_{number}.json" if one.text is not None else f"{_stem(one.name)}.json"
        if name in found:
            raise BenchError(f"{one.name}: another input's body is called {name}, too; rename one of them")
        arrays = as_arrays(pipeline, one.values)
        tensors = [_tensor(tensor, array) for tensor, array in arrays.items()]
        found[name] = json.dumps({"inputs": tensors}, ensure_ascii=False) + "\n"
    return found


def write_bodies(pipeline: Pipeline, inputs: Sequence[Input], folder: Path) -> list[Path]:
    """Write them into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, body in bodies(pipeline, inputs).items():
        write_text(folder / name, body)
        written.append(folder / name)
    return written


def command(pipeline: str, body: Path, url: str, clients: int, seconds: float) -> str:
    """The line that loads a pipeline with one body.

    `-l`, because answers differ in length with the last digits of numbers; `-n`, because `-t` alone ends
    after 50 000 requests; a content type, because ab's own crashes Triton 24.10 on large bodies.
    """
    arguments = f"ab -q -k -l -c {clients} -t {seconds:g} -n 10000000 -T application/json"
    return f"{arguments} -p {shlex.quote(str(body))} {url}/v2/models/{pipeline}/infer"


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0].replace("/", "_").replace(":", "_")


def _tensor(name: str, array: Array) -> Mapping[str, Any]:
    data: list[Any] = array.reshape(-1).tolist()
    if array.dtype == np.object_:
        data = [item.decode() if name == TEXT_INPUT else base64.b64encode(item).decode() for item in data]
    return {
        "name": name,
        "shape": list(array.shape),
        "datatype": np_to_triton_dtype(array.dtype),
        "data": data,
    }
