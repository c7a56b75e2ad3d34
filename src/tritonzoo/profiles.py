"""Serving profiles: `configs/<profile>.pbtxt`, derived from `config.pbtxt` for one kind of server.

A committed `config.pbtxt` is valid on every Triton. What only one kind understands goes into a profile,
which Triton picks with `--model-config-name=<profile>`; a model without one falls back to `config.pbtxt`.

The cpu profiles switch on `allow_ragged_batch` for the inputs that a model declares as padded
(`parameters.padding`): our Python-based ONNX Runtime backend then receives requests of different lengths in
one batch and pads them itself. Triton's native backend would get one flat tensor, hence not in the commit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritonzoo.errors import RepositoryError
from tritonzoo.lock import write_text
from tritonzoo.repository import Model, Repository

if TYPE_CHECKING:
    from google.protobuf.message import Message

DEFAULT = "cpu-fp32"
PROFILES = (DEFAULT,)


def derive(repository: Repository, profile: str) -> tuple[Path, ...]:
    """Write `configs/<profile>.pbtxt` for each model that the profile changes, and return those files.

    Files that already say the right thing are left alone, so that a read-only tree can be served.
    """
    if profile not in PROFILES:
        raise RepositoryError(f"no serving profile {profile!r}; there are: {', '.join(PROFILES)}")
    written = []
    for model in repository.models.values():
        path = model.folder / "configs" / f"{profile}.pbtxt"
        config = profile_config(model)
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


def profile_config(model: Model) -> Message | None:
    """What a cpu profile says of one model; None where it says nothing new."""
    padded = padded_inputs(model)
    if not padded:
        return None
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(model.config)
    for tensor in config.input:
        if tensor.name in padded:
            tensor.allow_ragged_batch = True
    return config


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
