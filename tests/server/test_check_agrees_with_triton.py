"""Faults that `tritonzoo check` tells, held against a real Triton: it refuses them, or it passes over them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.toys import ENSEMBLE, MODEL, write_toy_tree
from tritonzoo.check import Severity, check
from tritonzoo.embedded import EmbeddedTriton, Ports, ServeOptions
from tritonzoo.embedded.admin import ModelControl
from tritonzoo.errors import ServerError
from tritonzoo.repository import MODEL_REPOSITORIES, Repository

CONFIG = """# Double.
backend: "python"
max_batch_size: 64
input  [{ name: "x" data_type: TYPE_FP32 dims: [ 1 ] }]  # a number
output [{ name: "y" data_type: TYPE_FP32 dims: [ 1 ] }]  # twice that
dynamic_batching {}
instance_group [{ kind: KIND_CPU }]
"""
BATCHING = "dynamic_batching {}"
CONTROL = 'control_input { name: "%s" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } }'
WARMUP = (
    BATCHING
    + ' model_warmup { name: "w" batch_size: 1 inputs { key: "%s" value { data_type: %s dims: [ %s ] %s } } }'
)
ID = 'control_input { name: "id" control { kind: CONTROL_SEQUENCE_CORRID %s } }'
STEP = """  { model_name: "wait" model_version: -1
    input_map { key: "x" value: "doubled" } output_map { key: "y" value: "y" } }"""

# What is changed in a sound model or ensemble: the old text and the new one.
REFUSED_MODELS = {
    "another name": ("# Double.", '# Double.\nname: "other"'),
    "unknown backend": ('"python"', '"pyhton"'),
    "a runtime that is not there": ('backend: "python"', 'backend: "python" runtime: "libnone.so"'),
    "a field of later Tritons": ("# Double.", "# Double.\nmodel_metrics {}"),
    "a misspelt field": ("max_batch_size", "max_batchsize"),
    "a negative batch": ("max_batch_size: 64", "max_batch_size: -1"),
    "no data type": ('"y" data_type: TYPE_FP32', '"y"'),
    "no dims": ('"y" data_type: TYPE_FP32 dims: [ 1 ]', '"y" data_type: TYPE_FP32'),
    "a dimension of 0": ('"y" data_type: TYPE_FP32 dims: [ 1 ]', '"y" data_type: TYPE_FP32 dims: [ 0 ]'),
    "a dimension of -2": ('"y" data_type: TYPE_FP32 dims: [ 1 ]', '"y" data_type: TYPE_FP32 dims: [ -2 ]'),
    "no name": ('name: "y"', ""),
    "a reshape of another size": ('"y" data_type: TYPE_FP32 dims: [ 1 ]', '"y" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ 2 ] }'),
    "a format of pictures": ('name: "x"', 'name: "x" format: FORMAT_NHWC'),
    "a shape tensor": ('name: "x"', 'name: "x" is_shape_tensor: true'),
    "a batch input of nothing": (BATCHING, BATCHING + ' batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" data_type: TYPE_FP32 source_input: "w" }'),
    "a preferred batch above the largest": (BATCHING, "dynamic_batching { preferred_batch_size: [ 65 ] }"),
    "levels without a default": (BATCHING, "dynamic_batching { priority_levels: 2 }"),
    "order and priorities": (BATCHING, "dynamic_batching { preserve_ordering: true priority_levels: 2 default_priority_level: 1 }"),
    "a control twice": (BATCHING, "sequence_batching { " + CONTROL % "S" + CONTROL % "T" + " }"),
    "a cache for a decoupled model": (BATCHING, "model_transaction_policy { decoupled: true } response_cache { enable: true }"),
    "a cache for sequences": (BATCHING, "sequence_batching { oldest { max_candidate_sequences: 2 } } response_cache { enable: true }"),
    "a GPU": ("KIND_CPU", "KIND_GPU"),
    "GPUs for the CPU": ("KIND_CPU", "KIND_CPU gpus: [ 0 ]"),
    "no such version": (BATCHING, BATCHING + " version_policy { specific { versions: [ 2 ] } }"),
    "a warm-up of no input": (BATCHING, WARMUP % ("z", "TYPE_FP32", "1", 'zero_data: true')),
    "a warm-up of another type": (BATCHING, WARMUP % ("x", "TYPE_INT32", "1", 'zero_data: true')),
    "a warm-up of another shape": (BATCHING, WARMUP % ("x", "TYPE_FP32", "2", 'zero_data: true')),
    "a warm-up of any shape": (BATCHING, WARMUP % ("x", "TYPE_FP32", "-1", 'zero_data: true')),
    "a warm-up from no file": (BATCHING, WARMUP % ("x", "TYPE_FP32", "1", 'input_data_file: "none"')),
    "a warm-up without data": (BATCHING, WARMUP % ("x", "TYPE_FP32", "1", "")),
    "a byte order mark": ("# Double.", "\ufeff# Double."),
    "a space that is another character": ("max_batch_size: 64", "max_batch_size:\u00a064"),
    "a plus": ("max_batch_size: 64", "max_batch_size: +64"),
    "the latest of no versions": (BATCHING, BATCHING + " version_policy { latest { num_versions: 0 } }"),
    "agents of repositories": (BATCHING, BATCHING + ' model_repository_agents { agents [ { name: "checksum" } ] }'),
    "a control of one value": (BATCHING, "sequence_batching { " + (CONTROL % "S").replace("[ 0, 1 ]", "[ 1 ]") + " }"),
    "a control of no values": (BATCHING, "sequence_batching { " + (CONTROL % "S").replace("fp32_false_true: [ 0, 1 ]", "") + " }"),
    "a control of two types": (BATCHING, "sequence_batching { " + (CONTROL % "S").replace("fp32", "int32_false_true: [ 0, 1 ] fp32") + " }"),
    "a control without a name": (BATCHING, "sequence_batching { " + (CONTROL % "S").replace('name: "S"', "") + " }"),
    "a sequence's id of no type": (BATCHING, "sequence_batching { " + ID % "" + " }"),
    "a sequence's id of fractions": (BATCHING, "sequence_batching { " + ID % "data_type: TYPE_FP32" + " }"),
    "a sequence's id of 16 bits": (BATCHING, "sequence_batching { " + ID % "data_type: TYPE_INT16" + " }"),
    "a sequence's id that is a switch": (BATCHING, "sequence_batching { " + ID % "data_type: TYPE_UINT64 fp32_false_true: [ 0, 1 ]" + " }"),
    "more slots than there are": (BATCHING, "sequence_batching { direct { minimum_slot_utilization: 2 } }"),
    "labels that are not there": ('"y" data_type: TYPE_FP32', '"y" label_filename: "none.txt" data_type: TYPE_FP32'),
}  # fmt: skip
REFUSED_ENSEMBLES = {
    "another platform": ('"ensemble"', '"onnxruntime_onnx"'),
    "a backend": ('platform: "ensemble"', 'platform: "ensemble" backend: "python"'),
    "instances": ("ensemble_scheduling", "instance_group { kind: KIND_CPU } ensemble_scheduling"),
    "optimization": ("ensemble_scheduling", "optimization { priority: PRIORITY_MAX } ensemble_scheduling"),
    "a warm-up": ("ensemble_scheduling", 'model_warmup { name: "w" } ensemble_scheduling'),
    "a field of later Tritons": ("ensemble_scheduling {", "ensemble_scheduling { max_inflight_requests: 2"),
    "an unknown member": ('"wait"', '"none"'),
    "a version that is not there": ('model_name: "wait" model_version: -1', 'model_name: "wait" model_version: 7'),
    "an unknown input": ('key: "x" value: "doubled"', 'key: "w" value: "doubled"'),
    "an unknown output": ('key: "y" value: "y"', 'key: "w" value: "y"'),
    "a step that takes nothing": ('input_map { key: "x" value: "doubled" }', ""),
    "a tensor that nothing writes": ('key: "x" value: "doubled"', 'key: "x" value: "tripled"'),
    "a tensor written twice": ('key: "y" value: "y"', 'key: "y" value: "doubled"'),
    "an input overwritten": ('key: "y" value: "y"', 'key: "y" value: "x"'),
    "an output that nothing writes": ('output [{ name: "y"', 'output [{ name: "z"'),
    "an input that nothing reads": ("dims: [ 1 ] }]  # a number", 'dims: [ 1 ] }, { name: "w" data_type: TYPE_FP32 dims: [ 1 ] }]'),
    "a tensor that nothing reads": (STEP, STEP + ', { model_name: "other" model_version: -1 input_map { key: "x" value: "doubled" } output_map { key: "y" value: "lost" } }'),
    "another type": ('output [{ name: "y" data_type: TYPE_FP32', 'output [{ name: "y" data_type: TYPE_FP64'),
    "another shape": ('output [{ name: "y" data_type: TYPE_FP32 dims: [ 1 ]', 'output [{ name: "y" data_type: TYPE_FP32 dims: [ 2 ]'),
    "more rows than a member takes": ("max_batch_size: 64", "max_batch_size: 65"),
    "steps that wait for each other": ('key: "x" value: "x" } output_map', 'key: "x" value: "y" } output_map'),
    "a circle": ('"wait"', '"under_test"'),
}  # fmt: skip
# Found all the same: Triton loads these, and then does something else than they say, or fails in every request.
LOADED_MODELS = {
    "a data type that no number has": ('"x" data_type: TYPE_FP32', '"x" data_type: 99'),
    "batches without a batch axis": ("max_batch_size: 64", "max_batch_size: 0"),
    "ragged requests without batching": (
        'dims: [ 1 ] }]  # a number\n', 'dims: [ 1 ] allow_ragged_batch: true }]\n', BATCHING, ""),
    "a parameter twice": (BATCHING, BATCHING + 2 * ' parameters { key: "k" value { string_value: "v" } }'),
    "two inputs of one name": (
        'dims: [ 1 ] }]  # a number', 'dims: [ 1 ] }, { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }]'),
    "implicit state": (
        BATCHING, 'sequence_batching { state { input_name: "a" output_name: "b" data_type: TYPE_FP32 dims: [ 1 ] } }'),
    "a sequence's id as text": (
        BATCHING, 'sequence_batching { control_input { name: "id" control { kind: CONTROL_SEQUENCE_CORRID '
        "data_type: TYPE_STRING } } }"),
}  # fmt: skip
LOADED_ENSEMBLES = {
    "ragged requests": ("dims: [ 1 ] }]  # a number", "dims: [ 1 ] allow_ragged_batch: true }]"),
    "no batch axis before members that have one": ("max_batch_size: 64", "max_batch_size: 0"),
}
CASES = [
    pytest.param(repository, sound, change, is_refused, id=f"{repository.partition('_')[0]} {name}")
    for repository, sound, changes, is_refused in (
        ("model_repository", CONFIG, REFUSED_MODELS, True),
        ("model_repository", CONFIG, LOADED_MODELS, False),
        ("ensembles", ENSEMBLE, REFUSED_ENSEMBLES, True),
        ("ensembles", ENSEMBLE, LOADED_ENSEMBLES, False),
    )
    for name, change in changes.items()
]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    """A server of toys, for a model `under_test` that comes and goes."""
    folder = tmp_path_factory.mktemp("agreement")
    root = write_toy_tree(folder / "tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        server = EmbeddedTriton(ServeOptions(root=root, ports=Ports.free()))
        server.start()
    with server:
        yield server


@pytest.fixture
def control(triton: EmbeddedTriton) -> Iterator[ModelControl]:
    with ModelControl(triton.grpc_url, triton.admin_key) as model_control:
        yield model_control
        with contextlib.suppress(ServerError):  # it was refused
            model_control.unload("under_test")


@pytest.mark.parametrize(("repository", "config"), [("model_repository", CONFIG), ("ensembles", ENSEMBLE)])
def test_what_is_sound_is_sound_to_both(
    triton: EmbeddedTriton, control: ModelControl, repository: str, config: str
) -> None:
    write(triton.options.root, repository, config)

    assert errors(triton.options.root) == []
    control.load("under_test")


@pytest.mark.parametrize(("repository", "sound", "change", "is_refused"), CASES)
def test_what_triton_refuses_or_passes_over_is_found(
    triton: EmbeddedTriton,
    control: ModelControl,
    repository: str,
    sound: str,
    change: tuple[str, ...],
    is_refused: bool,
) -> None:
    config = sound
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert config.count(old) == 1, old
        config = config.replace(old, new)
    write(triton.options.root, repository, config)

    assert errors(triton.options.root), "check finds nothing"
    if is_refused:
        with pytest.raises(ServerError, match="under_test"):
            control.load("under_test")
    else:
        control.load("under_test")


def write(root: Path, repository: str, config: str) -> None:
    for name in MODEL_REPOSITORIES:
        shutil.rmtree(root / name / "under_test", ignore_errors=True)
    folder = root / repository / "under_test"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    if repository == "model_repository":
        (folder / "1" / "model.py").write_text(MODEL.format(work=""))


def errors(root: Path) -> list[str]:
    return [str(finding) for finding in check(Repository(root)) if finding.severity is Severity.ERROR]
