"""A small trtexec over TensorRT's Python package: `python -m tritonzoo.tensorrt.trtexec --onnx=...`.

For machines that have the package (`pip install tensorrt==10.5.0`) and no trtexec. It takes the arguments
that `PlanFromOnnx` writes, with the same meaning, and opens its log with the same line. A process of its own,
since TensorRT cannot be interrupted from Python and a crash in it should not take more with it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_OWN_ARGUMENTS = ("profile", "minShapes", "optShapes", "maxShapes")  # in order: they build the profiles


class BuildFailed(Exception):
    """TensorRT refused or failed; its log has said why."""


def build(arguments: argparse.Namespace, profiles: Sequence[dict[str, Any]], trt: Any) -> None:
    """Parse the ONNX file, build the plan and write it.

    Args:
        arguments: as `parse` gives them.
        profiles: for each profile, "minShapes", "optShapes" and "maxShapes" by input.
        trt: the module `tensorrt`.

    Raises:
        BuildFailed: with TensorRT's reason.
    """
    logger = trt.Logger(trt.Logger.INFO)
    builder = trt.Builder(logger)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if arguments.stronglyTyped else 0
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    say("Start parsing network model.")
    if not parser.parse_from_file(arguments.onnx):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise BuildFailed(f"TensorRT cannot read {arguments.onnx}: {reasons}")
    say("Finished parsing network model.")

    config = builder.create_builder_config()
    _set_options(config, arguments, trt)
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for name, smallest in shapes["minShapes"].items():
            profile.set_shape(name, smallest, shapes["optShapes"][name], shapes["maxShapes"][name])
        if config.add_optimization_profile(profile) < 0:
            raise BuildFailed(f"TensorRT refuses the shape profile {shapes}")
    cache_file = Path(arguments.timingCacheFile) if arguments.timingCacheFile else None
    if cache_file:
        known = cache_file.read_bytes() if cache_file.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(known), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BuildFailed("TensorRT could not build the plan; see its own lines above")
    say("Engine built in this process.")
    Path(arguments.saveEngine).write_bytes(plan)
    if cache_file:
        cache_file.write_bytes(config.get_timing_cache().serialize())


def _set_options(config: Any, arguments: argparse.Namespace, trt: Any) -> None:
    pool, _, size_mib = arguments.memPoolSize.partition(":")
    if pool != "workspace":
        raise BuildFailed(f"--memPoolSize={arguments.memPoolSize}: only workspace:<MiB> is known here")
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(size_mib) << 20)
    config.builder_optimization_level = arguments.builderOptimizationLevel
    if arguments.noTF32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if arguments.best:
        for flag in ("FP16", "INT8"):
            if not hasattr(trt.BuilderFlag, flag):
                raise BuildFailed(
                    f"TensorRT {trt.__version__} no longer chooses the precision itself; build fp16 or int8"
                )
            config.set_flag(getattr(trt.BuilderFlag, flag))
    if arguments.versionCompatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if arguments.hardwareCompatibilityLevel == "ampere+":
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def parse(given: Sequence[str]) -> tuple[argparse.Namespace, list[dict[str, Any]]]:
    """trtexec's arguments, and the shape profiles among them."""
    parser = argparse.ArgumentParser(prog="trtexec", allow_abbrev=False)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--saveEngine", required=True)
    parser.add_argument("--memPoolSize", default="workspace:2048")
    parser.add_argument("--timingCacheFile")
    parser.add_argument("--builderOptimizationLevel", type=int, default=3)
    parser.add_argument("--hardwareCompatibilityLevel", choices=("none", "ampere+"), default="none")
    for flag in ("stronglyTyped", "noTF32", "best", "versionCompatible", "skipInference"):
        parser.add_argument(f"--{flag}", action="store_true")
    profiles: list[dict[str, Any]] = []
    others = []
    for argument in given:
        name, _, value = argument.removeprefix("--").partition("=")
        if name not in _OWN_ARGUMENTS:
            others.append(argument)
        elif name == "profile":
            profiles.append({})
        else:
            if not profiles:
                profiles.append({})
            profiles[-1][name] = _shapes(value)
    return parser.parse_args(others), profiles


def _shapes(spec: str) -> dict[str, tuple[int, ...]]:
    """ "input_ids:1x2,attention_mask:1x2" by input."""
    pairs = (entry.rpartition(":") for entry in spec.split(","))
    return {name: tuple(int(extent) for extent in extents.split("x")) for name, _, extents in pairs}


def say(line: str) -> None:
    """A line of the log, at once."""
    sys.stdout.write(f"[I] {line}\n")
    sys.stdout.flush()


def version_line(version: str) -> str:
    """How trtexec opens its log: "10.5.0.18" is v100500, build 18."""
    major, minor, patch, *build_number = (part for part in version.split("."))
    number = int(major) * 10_000 + int(minor) * 100 + int(patch)
    return f"[TensorRT v{number}]" + "".join(f" [b{part}]" for part in build_number[:1])


def main(given: Sequence[str]) -> int:
    """Build one plan; 1 where that fails."""
    arguments, profiles = parse(given)
    trt: Any = importlib.import_module("tensorrt")
    say(version_line(trt.__version__))
    try:
        build(arguments, profiles, trt)
    except BuildFailed as error:
        sys.stdout.write(f"[E] {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
