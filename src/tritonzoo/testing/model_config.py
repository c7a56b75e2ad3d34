"""A config.pbtxt as the JSON that Triton hands to a Python model's `initialize`."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message
from tritonclient.grpc import model_config_pb2


def model_config(folder: str | Path, profile: str | None = None) -> dict[str, Any]:
    """The configuration of the model in `folder`, with what Triton 2.51 fills in at load.

    `profile` chooses `configs/<profile>.pbtxt` where the model has it, as --model-config-name does.
    Raises FileNotFoundError without a config.pbtxt, and text_format.ParseError naming line and column.
    """
    folder = Path(folder).absolute()
    path = folder / "configs" / f"{profile}.pbtxt"
    if profile is None or not path.is_file():
        path = folder / "config.pbtxt"
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    _fill_in(config, folder.name)
    return _as_json(config)


def with_parameters(config: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """`config` with some of its `parameters` set anew."""
    changed = {key: {"string_value": value} for key, value in parameters.items()}
    return {**config, "parameters": {**config["parameters"], **changed}}


def _fill_in(config: Any, name: str) -> None:
    """What Triton adds to a configuration before a backend sees it."""
    config.name = name
    if config.backend == "python":
        config.default_model_filename = config.default_model_filename or "model.py"
    else:
        config.runtime = config.runtime or "model.py"
    if not config.HasField("version_policy"):
        config.version_policy.latest.num_versions = 1
    for memory in (config.optimization.input_pinned_memory, config.optimization.output_pinned_memory):
        if not memory.ListFields():
            memory.enable = True
    if not config.instance_group:
        config.instance_group.add(name=name, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    for number, group in enumerate(config.instance_group):
        group.name = group.name or f"{name}_{number}"
        group.count = group.count or _default_instances(config, group)
    if config.HasField("dynamic_batching") and not config.dynamic_batching.preferred_batch_size:
        config.dynamic_batching.preferred_batch_size.append(config.max_batch_size)


def _default_instances(config: Any, group: Any) -> int:
    # Triton gives its native CPU backends two instances, and knows them by name.
    on_cpu = group.kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    return 2 if on_cpu and config.backend == "onnxruntime" else 1


def _as_json(message: Message) -> dict[str, Any]:
    """Every field but the messages that are not set; whole numbers as numbers, unlike protobuf's JSON."""
    values: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values[field.name] = {key: _value(value[key], field.message_type.fields[1]) for key in value}
        elif isinstance(value, MutableSequence):
            values[field.name] = [_value(item, field) for item in value]
        elif not field.has_presence or message.HasField(field.name):
            values[field.name] = _value(value, field)
    return values


def _value(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return _as_json(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value
