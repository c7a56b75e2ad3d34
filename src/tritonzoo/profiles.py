"""Serving profiles: `configs/<profile>.pbtxt`, derived from `config.pbtxt` for one kind of server.

A committed `config.pbtxt` is valid on every Triton. What only one kind understands goes into a profile,
which Triton picks with `--model-config-name=<profile>`; a model without one falls back to `config.pbtxt`.

The cpu profiles choose among the artifacts that lie side by side in the version folder, and switch on
`allow_ragged_batch` for the inputs that a model declares as padded (`parameters.padding`): our Python-based
ONNX Runtime backend then receives requests of different lengths in one batch and pads them itself. Triton's
native backend would get one flat tensor, hence not in the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritonzoo import ledger
from tritonzoo.check.onnx_header import UnreadableGraph, read_header
from tritonzoo.errors import RepositoryError
from tritonzoo.gpu_profiles import (
    GPU_PROFILES,
    ONNX_PRECISIONS,
    Extents,
    onnx_config,
    tensorrt_config,
    with_graph_extents,
)
from tritonzoo.lock import write_text
from tritonzoo.repository import Model, onnx_name
from tritonzoo.tensorrt.fit import left_on_onnx, why_not_here
from tritonzoo.tensorrt.manifest import PlanManifest, plan_name

if TYPE_CHECKING:
    from google.protobuf.message import Message

DEFAULT = "cpu-fp32"
FASTEST = "auto"
# For each cpu profile, the artifacts to serve: the first that is there and proved.
PREFERENCES = {
    DEFAULT: ("fused", "fp32"),
    "cpu-int8": ("int8", "fused", "fp32"),
    FASTEST: ("int8", "fused", "fp32"),  # in the order of their measured speed
}
# Of a model that pads texts and runs in int8. Its runs are so short that a core waits for what lies between
# them: with two instances, each with half of the cores, embeddings on 2 cores come at 655 a second in place
# of 514 (16 clients), 857 of 695 (64). One client alone waits 3.9 ms in place of 3.4. In float32 it is 0 to
# 5 % more, and 8.5 ms in place of 4.6.
INT8_INSTANCES = 2
PROFILES = (*PREFERENCES, *GPU_PROFILES)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """Which artifact of a model a profile serves, and why that one."""

    artifact: str
    why: str


def derive(models: Iterable[Model], profile: str) -> tuple[Path, ...]:
    """Write `configs/<profile>.pbtxt` for each model that the profile changes, and return those files.

    Files that already say the right thing are left alone, so that a read-only tree can be served.
    """
    written = []
    for model in models:
        path = model.folder / "configs" / f"{profile}.pbtxt"
        config = profile_config(model, profile)
        if config is None:
            path.unlink(missing_ok=True)
            continue
        text = (
            f"# Derived from config.pbtxt by tritonzoo; do not edit.\n{text_format.MessageToString(config)}"
        )
        if not path.is_file() or path.read_text("utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            write_text(path, text)
        written.append(path)
    return tuple(written)


def profile_config(model: Model, profile: str) -> Message | None:
    """What a profile says of one model; None where it says nothing new."""
    if profile not in PROFILES:
        raise RepositoryError(f"no serving profile {profile!r}; there are: {', '.join(PROFILES)}")
    if model.config.backend != "onnxruntime":
        return _of_several_graphs(model, profile) if len(model.graphs) > 1 else None
    return _gpu_config(model, profile) if profile in GPU_PROFILES else _cpu_config(model, profile)


def _gpu_config(model: Model, profile: str) -> Message:
    """TensorRT where the plan fits this machine; elsewhere ONNX on the GPU, and the log says why."""
    _, engine, precision = profile.split("-")
    onnx_precision = precision if precision in ONNX_PRECISIONS else "fp32"
    if engine == "tensorrt":
        plan = model.version_folder / plan_name(precision)
        reason = why_not_here(plan)
        if reason is None:
            manifest = PlanManifest.read(plan)
            assert manifest is not None, "a plan that fits has a manifest"
            derived = tensorrt_config(model.config, precision, manifest.profiles)
            return with_graph_extents(derived, graph_extents(model, "fp32"))
        rebuild = f"tritonzoo convert {model.name} --to tensorrt --precision {precision}"
        log.warning(left_on_onnx(model.name, plan, reason, onnx_name(onnx_precision), rebuild))
    return with_graph_extents(onnx_config(model.config, onnx_precision), graph_extents(model, onnx_precision))


def graph_extents(model: Model, precision: str) -> dict[str, Extents]:
    """The extents of each tensor of the model's graph, as far as it is here and says them."""
    path = model.version_folder / onnx_name(precision)
    header = read_header(path) if path.is_file() else UnreadableGraph("is missing")
    if isinstance(header, UnreadableGraph):
        return {}
    tensors = {**header.inputs, **header.outputs}
    return {name: tensor.extents for name, tensor in tensors.items() if tensor.extents is not None}


def _of_several_graphs(model: Model, profile: str) -> Message | None:
    """A backend of ours that runs several graphs: it finds those of the chosen one's precision beside it."""
    if profile not in GPU_PROFILES:
        return _cpu_config(model, profile)
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(model.config)
    precision = profile.split("-")[-1]
    config.default_model_filename = onnx_name(precision if precision in ONNX_PRECISIONS else "fp32")
    config.ClearField("instance_group")
    config.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_GPU, count=1)
    return config


def _cpu_config(model: Model, profile: str) -> Message | None:
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(model.config)
    artifact = choose(model, profile).artifact
    if artifact != (config.default_model_filename or onnx_name("fp32")):
        config.default_model_filename = artifact
    padded = padded_inputs(model)
    for tensor in config.input:
        if tensor.name in padded:
            tensor.allow_ragged_batch = True
    if padded and artifact == onnx_name("int8"):
        for group in config.instance_group:
            group.count = max(group.count, INT8_INSTANCES)
    return None if config == model.config else config


def choose(model: Model, profile: str) -> Choice:
    """The artifact that a cpu profile serves: proved ones only, unless there is but the default one."""
    proofs = ledger.read(model.ledger_path)
    proved = [
        name
        for kind in PREFERENCES[profile]
        if (name := onnx_name(kind)) in proofs and (model.version_folder / name).is_file()
    ]
    if not proved:
        return Choice(model.artifacts[0], "the default")
    if profile != FASTEST:
        return Choice(proved[0], f"the first of {', '.join(PREFERENCES[profile])} that is proved")
    timed = {name: speed.rows_per_s for name in proved if (speed := proofs[name].speed) is not None}
    if not timed:
        return Choice(proved[-1], "none was timed; `tritonzoo convert --force` times them")
    fastest = max(timed, key=timed.__getitem__)
    speeds = ", ".join(f"{name} {rate:.0f} rows/s" for name, rate in timed.items())
    return Choice(fastest, f"the fastest of {speeds}")


def padded_inputs(model: Model) -> frozenset[str]:
    """The inputs that `parameters.padding` ("input_ids:1=0, attention_mask:1=0") declares as padded."""
    declared = frozenset(
        entry.partition(":")[0].strip() for entry in model.parameter("padding").split(",") if entry
    )
    unknown = declared - {tensor.name for tensor in model.config.input}
    if unknown:
        raise RepositoryError(
            f"{model.folder / 'config.pbtxt'}: parameters.padding names {', '.join(sorted(unknown))}, "
            f"which is no input; there are: {', '.join(tensor.name for tensor in model.config.input)}"
        )
    return declared
