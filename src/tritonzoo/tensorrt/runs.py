"""Run a TensorRT plan with trtexec on the GPU of this machine: its answers, to be compared, and its time."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.utils import triton_to_np_dtype

from tritonzoo.errors import ConversionError
from tritonzoo.tensorrt.builders import PYTHON, PlanBuilder, find_builder
from tritonzoo.tensorrt.logged_run import run_logged
from tritonzoo.tensorrt.shape_profiles import Profile, by

if TYPE_CHECKING:
    import numpy.typing as npt
    from google.protobuf.message import Message

    Tensors = Mapping[str, npt.NDArray[Any]]

# A C++ stream writes nan and inf, which JSON has not.
_NOT_A_NUMBER = re.compile(r"(?<=[\s\[,])(-?)(nan|inf)(?=[\s\],])")


def run_plan(
    plan: Path,
    profiles: Sequence[Profile],
    config: Message,
    log: Path,
    builder: PlanBuilder | None = None,
) -> Callable[[Tensors], Tensors]:
    """A plan as a function from named arrays to named arrays, as `parity.Reference.compare` takes it.

    trtexec writes six significant digits, so differences below 1e-6 of a value are not seen.

    Args:
        profiles: those of the plan, from its manifest.
        config: the parsed `config.pbtxt`, which says the outputs' types.
        log: what trtexec says of the latest run.
        builder: how trtexec is run; found when not given.

    Raises:
        ConversionError: nothing here can run a plan, or (on a call) trtexec failed.
    """
    trtexec = _able_to_run(builder)
    types = {tensor.name: _numpy_type(tensor.data_type) for tensor in config.output}

    def run(sample: Tensors) -> Tensors:
        with tempfile.TemporaryDirectory(prefix="tritonzoo-") as name:
            folder = Path(name)
            for tensor, values in sample.items():
                np.ascontiguousarray(values).tofile(folder / f"{tensor}.bin")
            arguments = [
                *_on_shape(plan, profiles, {tensor: values.shape for tensor, values in sample.items()}),
                "--loadInputs=" + ",".join(f"{tensor}:{folder / tensor}.bin" for tensor in sample),
                f"--exportOutput={folder / 'answers.json'}",
                *("--iterations=1", "--warmUp=0", "--duration=0"),
            ]
            _run(trtexec, arguments, log, [plan.absolute().parent, folder])
            return _answers((folder / "answers.json").read_text("utf-8"), types)

    return run


def median_gpu_ms(
    plan: Path,
    profiles: Sequence[Profile],
    shapes: Mapping[str, Sequence[int]],
    log: Path,
    builder: PlanBuilder | None = None,
) -> float:
    """How long the GPU computes for one batch of these shapes, in milliseconds: median over three seconds."""
    trtexec = _able_to_run(builder)
    _run(trtexec, _on_shape(plan, profiles, shapes), log, [plan.absolute().parent])
    found = re.search(r"GPU Compute Time:.*?median = ([\d.]+) ms", log.read_text("utf-8"))
    if not found:
        raise ConversionError(
            f"trtexec ran the plan and did not say how long it took; all that it said: {log}"
        )
    return float(found[1])


def _able_to_run(builder: PlanBuilder | None) -> PlanBuilder:
    builder = builder or find_builder()
    if builder == PYTHON:
        raise ConversionError("a plan is run with trtexec, which is not here; put NVIDIA's trtexec on PATH")
    return builder


def _run(builder: PlanBuilder, arguments: Sequence[str], log: Path, folders: Sequence[Path]) -> None:
    command = builder.command(arguments, folders)
    run_logged(command, log, " ".join(command))


def _on_shape(plan: Path, profiles: Sequence[Profile], shapes: Mapping[str, Sequence[int]]) -> list[str]:
    if not profiles:
        return [f"--loadEngine={plan.absolute()}"]
    spec = ",".join(f"{name}:{by(extents)}" for name, extents in shapes.items())
    for index, profile in enumerate(profiles):
        if all(
            low <= extent <= high
            for name, extents in shapes.items()
            for low, extent, high in zip(profile[name].min, extents, profile[name].max, strict=True)
        ):
            return [f"--loadEngine={plan.absolute()}", f"--useProfile={index}", f"--shapes={spec}"]
    raise ConversionError(
        f"{plan.name}: no profile takes {spec}; samples() must stay within the recipe's shapes"
    )


def _answers(text: str, types: Mapping[str, np.dtype[Any]]) -> Tensors:
    outputs = json.loads(_NOT_A_NUMBER.sub(_as_json, text))
    return {
        output["name"]: np.array(output["values"], types[output["name"]]).reshape(
            [int(extent) for extent in output["dimensions"].split("x")]
        )
        for output in outputs
        if output["name"] in types
    }


def _as_json(found: re.Match[str]) -> str:
    return "NaN" if found[2] == "nan" else f"{found[1]}Infinity"


def _numpy_type(data_type: int) -> np.dtype[Any]:
    from tritonclient.grpc import model_config_pb2

    return np.dtype(triton_to_np_dtype(model_config_pb2.DataType.Name(data_type).removeprefix("TYPE_")))
