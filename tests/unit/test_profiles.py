"""Which artifact a profile serves, and that nothing unproved is served unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.proved import proved_model
from tritonzoo import ledger
from tritonzoo.embedded import ServeOptions, preflight
from tritonzoo.errors import PreflightError, RepositoryError
from tritonzoo.profiles import choose, derive, profile_config
from tritonzoo.proofs import why_unproved
from tritonzoo.repository import Repository, parse_config

ALL = {"model.onnx": 10.0, "model.fused.onnx": 12.0, "model.int8.onnx": 30.0}


@pytest.mark.parametrize(
    ("artifacts", "profile", "chosen"),
    [
        (ALL, "cpu-fp32", "model.fused.onnx"),
        ({"model.onnx": 10.0}, "cpu-fp32", "model.onnx"),
        (ALL, "cpu-int8", "model.int8.onnx"),
        ({"model.onnx": 10.0}, "cpu-int8", "model.onnx"),
        (ALL, "auto", "model.int8.onnx"),
        (ALL | {"model.int8.onnx": 11.0}, "auto", "model.fused.onnx"),
        (ALL | {"model.onnx": 99.0}, "auto", "model.onnx"),
    ],
)
def test_a_profile_serves(tmp_path: Path, artifacts: dict[str, float], profile: str, chosen: str) -> None:
    assert choose(proved_model(tmp_path, artifacts), profile).artifact == chosen


def test_an_artifact_without_proof_is_not_chosen(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)
    entries = ledger.read(model.ledger_path)
    del entries["model.int8.onnx"]
    ledger.write(model.ledger_path, entries)

    assert choose(model, "cpu-int8").artifact == "model.fused.onnx"


def test_the_derived_configuration_batches_raggedly_and_names_the_artifact(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)

    (path,) = derive([model], "cpu-int8")

    assert path == model.folder / "configs" / "cpu-int8.pbtxt"
    config = parse_config(path)
    assert config.default_model_filename == "model.int8.onnx"
    assert [tensor.allow_ragged_batch for tensor in config.input] == [True]
    assert not model.config.input[0].allow_ragged_batch, "the committed one stays valid for native backends"


@pytest.mark.parametrize(("profile", "count"), [("cpu-int8", 2), ("auto", 2), ("cpu-fp32", 1)])
def test_a_model_of_texts_has_two_instances_in_int8(tmp_path: Path, profile: str, count: int) -> None:
    (path,) = derive([proved_model(tmp_path, ALL)], profile)
    assert [group.count for group in parse_config(path).instance_group] == [count]


def test_a_derived_file_that_says_the_right_thing_is_left_alone(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)
    (path,) = derive([model], "cpu-fp32")
    path.chmod(0o444)
    path.parent.chmod(0o555)
    before = path.stat().st_mtime_ns

    assert derive([model], "cpu-fp32") == (path,)
    assert path.stat().st_mtime_ns == before


def test_an_unknown_profile_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        RepositoryError, match="no serving profile 'tpu'; there are: cpu-fp32, cpu-int8, auto, gpu-"
    ):
        profile_config(proved_model(tmp_path, ALL), "tpu")


def test_a_whole_and_proved_artifact_may_be_served(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)

    assert why_unproved(model, "cpu-fp32") is None
    preflight.check_proofs(ServeOptions(tmp_path), [model])


def test_a_flipped_byte_is_refused_by_name_unless_asked_for(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)
    (model.version_folder / "model.fused.onnx").write_text("THE bytes of model.fused.onnx")

    with pytest.raises(
        PreflightError, match=r"words: model\.fused\.onnx has other bytes.*\n.*convert words --force"
    ) as e:
        preflight.check_proofs(ServeOptions(tmp_path), [model])
    assert "--allow-unproved words" in str(e.value)
    preflight.check_proofs(ServeOptions(tmp_path, allow_unproved=("words",)), [model])


def test_an_artifact_without_an_entry_is_refused_by_name(tmp_path: Path) -> None:
    model = proved_model(tmp_path, {"model.onnx": 10.0})
    ledger.write(model.ledger_path, {})

    with pytest.raises(PreflightError, match=r"model\.onnx has no entry in ledger\.json"):
        preflight.check_proofs(ServeOptions(tmp_path), [model])


def test_a_misspelt_exception_is_refused(tmp_path: Path) -> None:
    model = proved_model(tmp_path, ALL)

    with pytest.raises(PreflightError, match="--allow-unproved wrods: no such model"):
        preflight.check_proofs(ServeOptions(tmp_path, allow_unproved=("wrods",)), [model])


def test_a_gpu_profile_is_refused_where_there_are_no_native_backends() -> None:
    with pytest.raises(PreflightError, match="tritonzoo derive gpu-onnx-fp16"):
        preflight.check_profile("gpu-onnx-fp16")


def test_without_a_plan_a_tensorrt_profile_serves_onnx_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = proved_model(tmp_path, ALL)

    config = profile_config(model, "gpu-tensorrt-fp16")

    assert config is not None
    assert (config.backend, config.default_model_filename) == ("onnxruntime", "model.fp16.onnx")
    assert "model.fp16.plan is not served: it was never built" in caplog.text
    assert "tritonzoo convert words --to tensorrt --precision fp16" in caplog.text


def test_every_model_of_this_tree_has_a_derived_configuration_that_parses(tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    from tritonzoo.profiles import PROFILES

    for model in Repository.find(Path(__file__).parent).models.values():
        for profile in PROFILES:
            config = profile_config(model, profile)
            if config is not None:
                text = text_format.MessageToString(config)
                assert text_format.Parse(text, model_config_pb2.ModelConfig()) == config
