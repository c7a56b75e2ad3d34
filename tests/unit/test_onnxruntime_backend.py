"""What the onnxruntime backend makes of a configuration, an ONNX file and the machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.unit.answers import refused, served
from tests.unit.onnx_graphs import ATTENTION_CONFIG, attention, doubling, model_folder
from tritonzoo.runtime.errors import ConfigurationError
from tritonzoo.runtime.onnx.session import available_cores
from tritonzoo.testing import load_model

BACKENDS = Path(__file__).parents[2] / "backends"


def doubling_config(
    x: str = "TYPE_FP32 dims: [ 3 ]", y: str = "TYPE_FP32 dims: [ 3 ]", name: str = "x", extra: str = ""
) -> str:
    return (
        'backend: "onnxruntime" max_batch_size: 8'
        f' input {{ name: "{name}" data_type: {x} }} output {{ name: "y" data_type: {y} }} {extra}'
    )


def parameter(key: str, value: str) -> str:
    return f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'


def options_of(folder: Path) -> Any:
    with load_model(folder, backends=BACKENDS) as model:
        return model.model._session.get_session_options()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            doubling_config(x="TYPE_INT32 dims: [ 3 ]"),
            "'x' is TYPE_INT32 in config.pbtxt and TYPE_FP32 in the ONNX",
        ),
        (
            doubling_config(y="TYPE_FP32 dims: [ 4 ]"),
            "output 'y' has dims [4] in config.pbtxt and [3] in the ONNX",
        ),
        (
            doubling_config(x="TYPE_FP32 dims: [ 3, 1 ]"),
            "'x' has 3 axes in config.pbtxt (with the batch axis first)",
        ),
        (doubling_config(name="z"), "input 'z' of config.pbtxt is not in the ONNX file, which has ['x']"),
        (doubling_config(name="z"), "the ONNX file needs the input 'x'"),
    ],
)
def test_a_configuration_that_the_graph_contradicts_is_refused_naming_both(
    tmp_path: Path, config: str, words: str
) -> None:
    folder = model_folder(tmp_path, config, doubling())
    with pytest.raises(ConfigurationError) as raised:
        load_model(folder, backends=BACKENDS)
    assert "model 'toy' cannot load" in str(raised.value)
    assert words in str(raised.value)


def test_every_difference_is_named_at_once(tmp_path: Path) -> None:
    config = doubling_config(x="TYPE_INT32 dims: [ 3 ]", y="TYPE_INT32 dims: [ 4 ]")
    with pytest.raises(ConfigurationError) as raised:
        load_model(model_folder(tmp_path, config, doubling()), backends=BACKENDS)
    assert str(raised.value).count("write data_type: TYPE_FP32") == 2
    assert "write dims: [3]" in str(raised.value)


def test_a_graph_with_a_fixed_batch_is_refused_for_a_model_that_batches(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"fixed batch of 1 in the ONNX file.*open batch axis"):
        load_model(model_folder(tmp_path, doubling_config(), doubling(shape=(1, 3))), backends=BACKENDS)


def test_an_output_that_follows_the_padded_length_must_be_declared(tmp_path: Path) -> None:
    config = ATTENTION_CONFIG.replace('key: "padding_cut"', 'key: "unused"')
    with pytest.raises(ConfigurationError, match=r"add 'states:1' to the parameter 'padding_cut'"):
        load_model(model_folder(tmp_path, config, attention()), backends=BACKENDS)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("padding", "x=0", "write input:axis=value"),
        ("padding", "q:1=0", "names axis 1 of 'q'; inputs are x"),
        ("padding_mask", "x", "must be an input whose axis 1 pads"),
        ("run_cost_elements", "-1", "must not be negative"),
        ("max_group_rows", "0", "must be at least 1"),
        ("intra_op_thread_count", "many", "'many'; it must be a whole number"),
        ("enable_mem_arena", "maybe", "'maybe'; it must be one of 1, true"),
        ("providers", "tpu", "'tpu'; it must be auto, cpu or cuda"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(tmp_path: Path, key: str, value: str, words: str) -> None:
    folder = model_folder(tmp_path, doubling_config(extra=parameter(key, value)), doubling())
    with pytest.raises(ConfigurationError) as raised:
        load_model(folder, backends=BACKENDS)
    assert words in str(raised.value)


def test_a_misspelt_parameter_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = model_folder(tmp_path, doubling_config(extra=parameter("intra_op_threads", "2")), doubling())
    with caplog.at_level(logging.WARNING, "triton"), load_model(folder, backends=BACKENDS):
        assert "'intra_op_threads' of config.pbtxt is read by nobody" in caplog.text


def test_a_missing_model_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, doubling_config(), doubling())
    (folder / "1" / "model.onnx").unlink()
    with pytest.raises(
        ConfigurationError, match=r"1/model.onnx is missing; make it with `tritonzoo convert toy`"
    ):
        load_model(folder, backends=BACKENDS)


def test_a_broken_model_file_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, doubling_config(), doubling())
    (folder / "1" / "model.onnx").write_bytes(b"half a file")
    with pytest.raises(ConfigurationError, match=r"cannot load .*model\.onnx"):
        load_model(folder, backends=BACKENDS)


def test_default_model_filename_chooses_among_artifacts(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, doubling_config(extra='default_model_filename: "int8.onnx"'), doubling())
    (folder / "1" / "model.onnx").rename(folder / "1" / "int8.onnx")
    with load_model(folder, backends=BACKENDS) as model:
        assert model.infer(x=np.ones((1, 3), np.float32))["y"].tolist() == [[2, 2, 2]]


def test_parameters_of_the_native_backend_reach_the_session(tmp_path: Path) -> None:
    extra = (
        parameter("intra_op_thread_count", "3")
        + parameter("execution_mode", "1")
        + parameter("inter_op_thread_count", "2")
        + parameter("enable_mem_arena", "0")
        + parameter("enable_mem_pattern", "0")
        + parameter("session.set_denormal_as_zero", "1")
        + "optimization { graph { level: 2 } }"
    )
    options = options_of(model_folder(tmp_path, doubling_config(extra=extra), doubling()))
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 2
    assert options.execution_mode.name == "ORT_PARALLEL"
    assert options.enable_cpu_mem_arena is False
    assert options.enable_mem_pattern is False
    assert options.get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert options.graph_optimization_level.name == "ORT_DISABLE_ALL"


def test_threads_spin_within_a_run_alone_and_instances_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    extra = "instance_group [{ kind: KIND_CPU count: 4 }]"
    options = options_of(model_folder(tmp_path, doubling_config(extra=extra), doubling()))
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "5000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_a_containers_cpu_quota_bounds_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert available_cores(tmp_path) == cores


def test_a_gpu_instance_without_cuda_says_what_to_install(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, doubling_config(), doubling())
    with pytest.raises(ConfigurationError, match="install onnxruntime-gpu in its place"):
        load_model(folder, backends=BACKENDS, instance_kind="GPU")


def test_text_goes_through_a_graph_as_utf8_and_other_bytes_are_refused(tmp_path: Path) -> None:
    config = doubling_config(x="TYPE_STRING dims: [ 1 ]", y="TYPE_STRING dims: [ 1 ]")
    graph = doubling(TensorProto.STRING, ("batch", 1))
    graph.graph.node[0].op_type = "Identity"
    del graph.graph.node[0].input[1]
    with load_model(model_folder(tmp_path, config, graph), backends=BACKENDS) as model:
        good, bad = model.infer_batch([{"x": [["žluť"]]}, {"x": [[b"a\xff"]]}])
        assert served(good)["y"].tolist() == [["žluť".encode()]]
        assert refused(bad).message == "x is not UTF-8 at byte 1; encode it as UTF-8"
